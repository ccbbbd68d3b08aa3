import { expect, test } from "bun:test";
import type { DayOverview, LiveImage } from "../../src/page/answers.ts";
import { withImage } from "../../src/page/overview.ts";

const DATE = "2018-12-30";

function arrived(camera: string, time: string): LiveImage {
  return { date: DATE, name: `${camera}-${DATE}T${time}.jpg`, camera, time };
}

test("an image that is told twice counts once", () => {
  const none: DayOverview = { date: DATE, images: 0, cameras: [], events: 0, eventMinutes: [] };
  const [first, second] = [arrived("Gate", "14:05:00.000001"), arrived("Gate", "14:05:30.000000")];
  const other = arrived("Barn", "14:05:00.000001");
  const day = [first, first, second, other, first, second].reduce(withImage, none);
  const time = { first: first.time, last: second.time };
  expect(day.images).toBe(3);
  expect(day.cameras).toEqual([
    { name: "Barn", first: other.time, last: other.time, images: 1, minutes: [[845, 1]] },
    { name: "Gate", ...time, images: 2, minutes: [[845, 2]] },
  ]);
});
