import { expect, test } from "bun:test";
import { Pace } from "../../src/replicate/pace.ts";

test("a pace keeps what is sent within the bandwidth, after a burst of a second", () => {
  let now = 10_000;
  const pace = new Pace(1000, () => now);
  expect([500, 500, 500, 500].map((bytes) => pace.take(bytes))).toEqual([0, 0, 0, 500]);
  now += 1500;
  expect(pace.take(100)).toBe(0);
  now += 60_000;
  // A long pause gives no more than a short one.
  expect([1000, 1000, 1000].map((bytes) => pace.take(bytes))).toEqual([0, 0, 1000]);
});

test("without a limit, nothing waits", () => {
  const pace = new Pace(0);
  expect([1e12, 1e12].map((bytes) => pace.take(bytes))).toEqual([0, 0]);
});
