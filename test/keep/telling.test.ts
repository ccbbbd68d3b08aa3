import { describe, expect, test } from "bun:test";
import { formatRecord } from "../../src/catalog/record.ts";
import type { PrunedDay } from "../../src/keep/prune.ts";
import { recordsOf } from "../../src/keep/telling.ts";

const day = (date: string, cameras?: readonly string[], until?: string): PrunedDay => ({
  date: `2021-09-${date}`,
  images: 2,
  bytes: 1000,
  cameras,
  until,
});

const linesOf = (...days: readonly PrunedDay[]): string[] =>
  recordsOf({ reason: "min_free", days }).map((record) => formatRecord(record));

describe("recordsOf", () => {
  test("tells nothing if nothing is gone", () => {
    expect(linesOf()).toEqual([]);
  });

  test("puts days together whose line is true for each", () => {
    expect(linesOf(day("01"), day("02"), day("03", undefined, "14:00"))).toEqual([
      "Pruned 3 days, 6 images, 3.0 kB: min_free (2021-09-01 to 2021-09-03 until 14:00)",
    ]);
  });

  test("names cameras only with the days on which they have lost images", () => {
    const [barn, both] = [["Barn"], ["Barn", "Yard"]];
    expect(linesOf(day("01", barn), day("02", both), day("03", barn), day("04"))).toEqual([
      "Pruned 2 days, 4 images, 2.0 kB: min_free (2021-09-01, 2021-09-03 of Barn)",
      "Pruned 1 day, 2 images, 1.0 kB: min_free (2021-09-02 of Barn, Yard)",
      "Pruned 1 day, 2 images, 1.0 kB: min_free (2021-09-04)",
    ]);
  });

  test("a day that has lost a part is the last of its line", () => {
    expect(linesOf(day("01", undefined, "14:00"), day("02"))).toEqual([
      "Pruned 1 day, 2 images, 1.0 kB: min_free (2021-09-01 until 14:00)",
      "Pruned 1 day, 2 images, 1.0 kB: min_free (2021-09-02)",
    ]);
  });
});
