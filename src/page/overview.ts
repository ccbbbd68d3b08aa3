/**
 * Counts what arrives into the overview of a day.
 *
 * @module
 */

import type { DayCamera, DayOverview, LiveImage, MinuteCount } from "./answers.ts";
import { minutesOf } from "./time.ts";

/** The day with one more image; or the same, if it has it already. */
export function withImage(overview: DayOverview, { camera, time }: LiveImage): DayOverview {
  const minute = Math.floor(minutesOf(time));
  const known = overview.cameras.find(({ name }) => name === camera);
  // What came while the day was asked for is in its answer, and is told, too.
  if (known !== undefined && known.last >= time) return overview;
  const { images, minutes, first } = known ?? { images: 0, minutes: [], first: time };
  const counts = { images: images + 1, minutes: withOneMore(minutes, minute) };
  const grown: DayCamera = { name: camera, first, last: time, ...counts };
  const others = overview.cameras.filter((each) => each !== known);
  const cameras = [...others, grown].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return Object.assign({}, overview, { images: overview.images + 1, cameras });
}

function withOneMore(minutes: readonly MinuteCount[], minute: number): MinuteCount[] {
  const index = minutes.findLastIndex(([each]) => each <= minute);
  const [at, count] = minutes[index] ?? [-1, 0];
  return at === minute
    ? minutes.with(index, [minute, count + 1])
    : minutes.toSpliced(index + 1, 0, [minute, 1]);
}
