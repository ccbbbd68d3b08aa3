import { expect, test } from "bun:test";
import {
  BOUNDS_S,
  HISTOGRAM_NUMBERS,
  observe,
  readHistograms,
} from "../../src/shared/histogram.ts";

const empty = (): Float64Array => new Float64Array(HISTOGRAM_NUMBERS);

test("observe counts a duration in every bucket that it fits", () => {
  const numbers = empty();
  for (const ms of [0, 0.5, 0.51, 3, 10_000, 10_001]) observe(numbers, ms);
  const { upTo, count, sumSeconds } = readHistograms([numbers]);
  const counts = Object.fromEntries(BOUNDS_S.map((bound, index) => [bound, upTo[index]]));
  expect(counts).toMatchObject({ 0.0005: 2, 0.001: 3, 0.0025: 3, 0.005: 4, 5: 4, 10: 5 });
  expect(count).toBe(6);
  expect(sumSeconds).toBeCloseTo(20.00501, 9);
});

test("readHistograms adds several up", () => {
  const [first, second] = [empty(), empty()];
  observe(first, 1);
  observe(second, 1);
  observe(second, 100);
  const { upTo, count, sumSeconds } = readHistograms([first, second, empty()]);
  expect(upTo[BOUNDS_S.indexOf(0.001)]).toBe(2);
  expect(upTo.at(-1)).toBe(3);
  expect(count).toBe(3);
  expect(sumSeconds).toBeCloseTo(0.102, 9);
});
