import { expect, test } from "bun:test";
import { noImages } from "../../src/catalog/summary.ts";
import { defaultSettings } from "../../src/config/schema.ts";
import { decide } from "../../src/keep/decision.ts";
import type { Holdings } from "../../src/keep/holdings.ts";

const DATES = ["2021-09-21", "2021-09-22", "2021-09-23", "2021-09-24"];

/** Each day has an image of Barn and three of Gate, of 1,000 bytes. */
const cameras = [
  { name: "Barn", images: 1, bytes: 1000 },
  { name: "Gate", images: 3, bytes: 3000 },
];
const days = DATES.map((date) => {
  const day = Object.assign(noImages(date), { images: 4, bytes: 4000, cameras });
  return Object.assign({ free: day }, day);
});
const held: Holdings = { days, images: 16, bytes: 16_000, freeBytes: 16_000, problems: [] };

test("while the rest waits for a person, min_free still takes from who is over the share", () => {
  const keep = {
    ...defaultSettings().keep,
    days: 1,
    min_free: 30_000,
    cameras: [{ match: "Barn", max_bytes: 4000 }],
  };
  const { plan, needsForce } = decide(
    {
      settings: { keep },
      seen: { today: "2021-09-25", confirmed: "2021-09-25", storedLastHour: [], storedLastDay: [] },
      archive: undefined,
      isForced: false,
      isFutile: false,
    },
    held,
    { freeBytes: 29_000, sizeBytes: 100_000, freeFiles: 0, sizeFiles: 0 },
  );
  expect(needsForce).toBe(true);
  expect(plan.deletions).toEqual([
    {
      reason: "min_free",
      candidates: [{ date: "2021-09-21", cameras: ["Gate"] }],
      bytes: 3000,
    },
  ]);
});
