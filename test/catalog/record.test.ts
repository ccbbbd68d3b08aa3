import { expect, test } from "bun:test";
import { formatInterrupted, formatRecord, parseRecord } from "../../src/catalog/record.ts";

const record = {
  reason: "min_free",
  count: 3211,
  bytes: 512_000_000,
  days: 1,
  from: "2026-11-20",
  to: "2026-11-20",
} as const;

test.each([
  [record, "Pruned 1 day, 3,211 images, 512.0 MB: min_free (2026-11-20)"],
  [
    { ...record, until: "14:00" },
    "Pruned 1 day, 3,211 images, 512.0 MB: min_free (2026-11-20 until 14:00)",
  ],
  [
    { ...record, reason: "days", days: 12, to: "2026-12-01", bytes: 1.5e12 },
    "Pruned 12 days, 3,211 images, 1.5 TB: days (2026-11-20 to 2026-12-01)",
  ],
  [
    { ...record, reason: "cameras.max_bytes", count: 1, bytes: 5, cameras: "Barn-(old) x" },
    "Pruned 1 day, 1 image, 5 bytes: cameras.max_bytes (2026-11-20 of Barn-(old) x)",
  ],
  [
    { ...record, reason: "event_days", count: 2, days: 0, to: "2026-11-21" },
    "Pruned 2 event logs, 512.0 MB: event_days (2026-11-20 to 2026-11-21)",
  ],
] as const)("a line tells what was deleted, and is read back", (given, line) => {
  expect(formatRecord(given)).toBe(line);
  expect(parseRecord(line)).toEqual({ until: undefined, cameras: undefined, ...given });
});

test.each([
  "Pruned",
  "Barn|Pruned 1 day, 3,211 images, 512.0 MB: min_free (2026-11-20)",
  "Pruned 1 day, 3,211 images, 512.0 MB: whim (2026-11-20)",
  "Pruned 1 day, 3,211 images, 512.0 MB: min_free (yesterday)",
])("%p is no such line", (line) => {
  expect(parseRecord(line)).toBeUndefined();
});

test("a run that was interrupted is told without counts", () => {
  const { reason, from } = record;
  expect(formatInterrupted({ reason, from, to: from })).toBe(
    "Pruned by a run that was interrupted: min_free (2026-11-20)",
  );
  const line = formatInterrupted({ reason, from, to: "2026-11-22" });
  expect(line).toEndWith("(2026-11-20 to 2026-11-22)");
  expect(parseRecord(line)).toMatchObject({ reason, from, to: "2026-11-22", count: 0 });
});
