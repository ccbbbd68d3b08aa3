import { expect, test } from "bun:test";
import {
  camerasInWords,
  datesIn,
  formatInterrupted,
  formatRecord,
  parseRecord,
  rangesOf,
} from "../../src/catalog/record.ts";
import { daysAfter } from "../../src/protocol/calendar.ts";

const record = {
  reason: "min_free",
  count: 3211,
  bytes: 512_000_000,
  days: 1,
  ranges: [{ from: "2026-11-20", to: "2026-11-20" }],
} as const;

test.each([
  [record, "Pruned 1 day, 3,211 images, 512.0 MB: min_free (2026-11-20)"],
  [
    { ...record, until: "14:00" },
    "Pruned 1 day, 3,211 images, 512.0 MB: min_free (2026-11-20 until 14:00)",
  ],
  [
    {
      ...record,
      reason: "days",
      days: 12,
      ranges: [{ from: "2026-11-20", to: "2026-12-01" }],
      bytes: 1.5e12,
    },
    "Pruned 12 days, 3,211 images, 1.5 TB: days (2026-11-20 to 2026-12-01)",
  ],
  [
    { ...record, reason: "cameras.max_bytes", count: 1, bytes: 5, cameras: "Barn-(old) x" },
    "Pruned 1 day, 1 image, 5 bytes: cameras.max_bytes (2026-11-20 of Barn-(old) x)",
  ],
  [
    {
      ...record,
      reason: "event_days",
      count: 2,
      days: 0,
      ranges: [{ from: "2026-11-20", to: "2026-11-21" }],
    },
    "Pruned 2 event logs, 512.0 MB: event_days (2026-11-20 to 2026-11-21)",
  ],
  [
    {
      ...record,
      reason: "cameras.days",
      days: 4,
      ranges: rangesOf(["2026-11-20", "2026-11-30", "2026-12-01", "2026-12-05"]),
      until: "07:00",
      cameras: "Barn, Gate-to-road",
    },
    "Pruned 4 days, 3,211 images, 512.0 MB: cameras.days " +
      "(2026-11-20, 2026-11-30 to 2026-12-01, 2026-12-05 until 07:00 of Barn, Gate-to-road)",
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
  "Pruned 1 day, 3,211 images, 512.0 MB: min_free (2026-11-20 to)",
  "Pruned 1 day, 3,211 images, 512.0 MB: min_free (2026-11-20,2026-11-21)",
])("%p is no such line", (line) => {
  expect(parseRecord(line)).toBeUndefined();
});

test("a run that was interrupted is told without counts", () => {
  const [reason, from] = ["min_free", "2026-11-20"] as const;
  expect(formatInterrupted({ reason, from, to: from })).toBe(
    "Pruned by a run that was interrupted: min_free (2026-11-20)",
  );
  const line = formatInterrupted({ reason, from, to: "2026-11-22" });
  expect(line).toEndWith("(2026-11-20 to 2026-11-22)");
  expect(parseRecord(line)).toMatchObject({
    reason,
    ranges: [{ from, to: "2026-11-22" }],
    count: 0,
    bytes: 0,
    days: 0,
  });
});

test("days in a row are put together, over the end of a month and a year, too", () => {
  const dates = ["2025-12-30", "2025-12-31", "2026-01-01", "2026-01-03"];
  expect(rangesOf(dates)).toEqual([
    { from: "2025-12-30", to: "2026-01-01" },
    { from: "2026-01-03", to: "2026-01-03" },
  ]);
  expect(datesIn(rangesOf(dates))).toEqual(dates);
  const odd = Array.from({ length: 30 }, (_, index) => daysAfter("2026-01-01", 2 * index));
  expect(rangesOf(odd)).toHaveLength(20);
  expect(rangesOf(odd).at(-1)).toEqual({ from: odd[19]!, to: odd[29]! });
  expect(datesIn([{ from: "0001-01-01", to: "9999-12-31" }]).length).toBeLessThan(40_000);
});

test("few cameras are named", () => {
  expect(camerasInWords(["Barn", "Gate"])).toBe("Barn, Gate");
  expect(camerasInWords(["a", "b", "c", "d", "e", "f"])).toBe("6 cameras");
});
