import { expect, test } from "bun:test";
import { localTime, monotonicMicros, realtimeMicros } from "../../src/os/time.ts";

test("realtimeMicros is the time of day, and goes on", () => {
  const before = Date.now();
  const micros = realtimeMicros();
  expect(micros).toBeGreaterThanOrEqual(before * 1000);
  expect(micros).toBeLessThan((Date.now() + 1) * 1000);
});

test("monotonicMicros goes on", () => {
  const before = monotonicMicros();
  expect(monotonicMicros()).toBeGreaterThanOrEqual(before);
});

test.each([0, 951_782_400, 1_790_000_000, 4_102_444_799])("localTime of second %d", (seconds) => {
  const date = new Date(seconds * 1000);
  expect(localTime(seconds)).toEqual([
    date.getFullYear(),
    date.getMonth() + 1,
    date.getDate(),
    date.getHours(),
    date.getMinutes(),
    date.getSeconds(),
  ]);
});
