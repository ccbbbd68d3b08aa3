/**
 * What a round reports to the rest of the hub.
 *
 * @module
 */

import type { KeepReport } from "../shared/messages.ts";
import type { Round } from "./round.ts";

/** The report of a round: counts by camera, over all days. */
export function reportOf(round: Round): KeepReport {
  const { holdings, forecast, pruned, problems, minFree, isHelpless, isFutile } = round;
  const cameras = new Map<string, { name: string; images: number; bytes: number }>();
  let protectedImages = 0;
  for (const day of holdings.days) {
    protectedImages += day.images - day.free.images;
    for (const { name, images, bytes } of day.cameras) {
      const sum = cameras.get(name) ?? { name, images: 0, bytes: 0 };
      sum.images += images;
      sum.bytes += bytes;
      cameras.set(name, sum);
    }
  }
  const days = holdings.days.filter(({ images }) => images > 0);
  return {
    type: "report",
    days: days.length,
    firstDay: days[0]?.date,
    images: holdings.images,
    bytes: holdings.bytes,
    protectedImages,
    cameras: [...cameras.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ...forecast,
    pruned: pruned.map(({ reason, count, bytes }) => ({ reason, count, bytes })),
    minFree,
    isHelpless,
    isFutile,
    problems,
  };
}
