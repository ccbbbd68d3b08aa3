/**
 * How many images each camera has in each minute of a day, for its timeline.
 *
 * @module
 */

import type { DayCamera } from "../page/answers.ts";
import type { DayIndex } from "./day-index.ts";
import { timeText } from "./query.ts";

const MINUTE = 60_000_000;
const MINUTES = 1440;

/** What was counted last, of each day, and when the day had how many images. */
const counted = new WeakMap<DayIndex, { images: number; cameras: DayCamera[] }>();

/** The cameras of a day, in alphabetical order. */
export function camerasOf(day: DayIndex): DayCamera[] {
  const known = counted.get(day);
  if (known?.images === day.count) return known.cameras;
  const cameras = count(day);
  counted.set(day, { images: day.count, cameras });
  return cameras;
}

function count(day: DayIndex): DayCamera[] {
  const found = new Map<string, { first: number; last: number; minutes: Uint32Array }>();
  for (let place = 0; place < day.count; place++) {
    const camera = day.cameraAt(place);
    const micros = day.microsAt(place);
    let of = found.get(camera);
    if (of === undefined) {
      of = { first: micros, last: micros, minutes: new Uint32Array(MINUTES) };
      found.set(camera, of);
    }
    of.last = micros;
    of.minutes[(micros / MINUTE) | 0]!++;
  }
  return [...found]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { first, last, minutes }]) => ({
      name,
      images: minutes.reduce((sum, images) => sum + images, 0),
      first: timeText(first),
      last: timeText(last),
      minutes: [...minutes.entries()].filter(([, images]) => images > 0),
    }));
}
