import { describe, expect, test } from "bun:test";
import { noImages } from "../../src/catalog/summary.ts";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";
import { decide, type Decision } from "../../src/keep/decision.ts";
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

function decideOn(
  keep: Partial<Settings["keep"]>,
  freeBytes: number,
  isForced = false,
  scale = 1,
): Decision {
  const space = { freeBytes, sizeBytes: 100_000 * scale, freeFiles: 0, sizeFiles: 0 };
  const seen = {
    today: "2021-09-25",
    confirmed: "2021-09-25",
    storedLastHour: [],
    storedLastDay: [],
  };
  const settings = { keep: { ...defaultSettings().keep, ...keep } };
  const parts = { settings, seen, copies: undefined, isForced, isFutile: false };
  const times = (of: number): number => of * scale;
  const larger = days.map((day) => {
    const free = Object.assign({}, day.free, {
      bytes: times(day.bytes),
      cameras: cameras.map(({ name, images, bytes }) => ({ name, images, bytes: times(bytes) })),
    });
    return Object.assign({ free }, free);
  });
  const all = { ...held, days: larger, bytes: times(held.bytes), freeBytes: times(held.freeBytes) };
  return decide(parts, all, space);
}

test("while the rest waits for a person, min_free still takes from who is over the share", () => {
  const keep = { days: 1, min_free: 30_000, cameras: [{ match: "Barn", max_bytes: 4000 }] };
  const { plan, needsForce, areWaiting, problems } = decideOn(keep, 29_000);
  expect([needsForce, areWaiting]).toEqual([true, true]);
  expect(problems).toEqual([
    "The rules would delete 75 % of all unprotected images at once: until you run imagehub prune --force, or change the rules, only keep.min_free deletes",
  ]);
  expect(plan.deletions).toEqual([
    {
      reason: "min_free",
      candidates: [{ date: "2021-09-21", cameras: ["Gate"] }],
      bytes: 3000,
    },
  ]);
});

describe("min_free, on a disk of 1 GB with 160 MB of images", () => {
  const GB = 10_000;
  const MB = 1e6;

  test("waits for a person before most of them go", () => {
    const { plan, keep, needsForce, areWaiting, problems } = decideOn(
      { min_free: "95 %" },
      700 * MB,
      false,
      GB,
    );
    expect([needsForce, areWaiting, plan.deletions]).toEqual([true, false, []]);
    expect(keep.min_free).toBe(50 * MB);
    expect(problems).toEqual([
      "keep.min_free would delete 100 % of all unprotected images at once: until you run imagehub prune --force, or lower it, it keeps only 50.0 MB free",
    ]);
    const forced = decideOn({ min_free: "95 %" }, 700 * MB, true, GB);
    expect([forced.needsForce, forced.keep.min_free]).toEqual([false, "95 %"]);
    expect(forced.plan.deletions[0]?.candidates).toHaveLength(3);
  });

  test("waits for nobody on a disk that is nearly full", () => {
    const found = decideOn({ min_free: "95 %" }, 20 * MB, false, GB);
    // Up to 5 % and a little more.
    expect(found.plan.deletions).toMatchObject([{ reason: "min_free", bytes: 50 * MB }]);
    expect(found.needsForce).toBe(true);
  });

  test("waits for nobody if it takes less than half, or asks for no more than 5 %", () => {
    const little = decideOn({ min_free: "50 %" }, 450 * MB, false, GB);
    expect([little.needsForce, little.plan.deletions]).toMatchObject([false, [{ bytes: 70 * MB }]]);
    const small = decideOn({ min_free: "5 %" }, 0, false, GB);
    expect([small.needsForce, small.plan.deletions]).toMatchObject([false, [{ bytes: 70 * MB }]]);
  });
});
