import { expect, test } from "bun:test";
import { Histogram } from "../../src/page/histogram.ts";
import { clockTime, minutesOf, span, typedTime } from "../../src/page/time.ts";

test.each([
  ["14:05", "14:05"],
  ["1405", "14:05"],
  ["14.05", "14:05"],
  ["9:30:15", "09:30:15"],
  ["14", "14:00"],
  [" 7 ", "07:00"],
  ["14:05:33.620992", "14:05:33"],
  ["25", undefined],
  ["14:60", undefined],
  ["noon", undefined],
  ["", undefined],
])("what is typed as %p is the time %p", (text, time) => {
  expect(typedTime(text)).toBe(time);
});

test("a time is the same after it was a number", () => {
  for (const time of ["00:00:00", "00:00:01", "14:05:33", "23:59:59"])
    expect(clockTime(minutesOf(time), true)).toBe(time);
  expect(clockTime(minutesOf("23:13:31.620992"), true)).toBe("23:13:31");
  expect(clockTime(minutesOf("23:13:31,620"))).toBe("23:13");
  for (const wrong of ["nonsense", "99:99", "24:00", "14:60"]) expect(minutesOf(wrong)).toBeNaN();
});

test("a span of time is said in its largest unit", () => {
  const spans = [-5, 4000, 61_000, 3_600_000, 90_000_000, 172_800_000].map(span);
  expect(spans).toEqual(["0 s", "4 s", "1 min", "1 h", "1 day", "2 days"]);
});

test("a histogram finds the image of a time, and the time of an image", () => {
  const minutes = [
    [10, 4],
    [60, 1],
    [1439, 2],
  ] as const;
  const histogram = new Histogram([
    { name: "Barn", images: 7, minutes },
    { name: "Gate", images: 2, minutes: [[60, 2]] },
  ]);
  expect([0, 10, 10.5, 11, 60, 61, 1439, 1440].map((time) => histogram.indexAt(time))).toEqual([
    0, 0, 2, 4, 4, 7, 7, 9,
  ]);
  expect([0, 2, 4, 7].map((index) => histogram.timeAt(index))).toEqual([10, 10.5, 60, 1439]);
});
