/**
 * The images of all hubs on one day, in one order.
 *
 * @module
 */

import { Day } from "../catalog/day.ts";
import type { LiveImage } from "../page/answers.ts";
import { DayIndex } from "../view/day-index.ts";
import { timeIn } from "../view/query.ts";
import type { FleetHub } from "./hub.ts";
import type { HubDay } from "./hub-day.ts";

/** How many days are held at once. One with 200,000 images has 4 MB. */
const DAYS_MAX = 4;

/** How often a day is put together, in milliseconds: images of different zones come mixed. */
const BUILD_MS_MIN = 2000;

/** The days that are held. */
export class FleetDays {
  /** The one that was asked for last comes last. */
  private readonly days = new Map<string, DayIndex>();

  /** Takes in an image that is new. */
  add({ date, name, camera, time }: LiveImage): void {
    // One that is not the latest is taken in when the day is put together again.
    this.days.get(date)?.add({ name, camera, micros: timeIn(time) });
  }

  /** A day; undefined if it has no images. */
  async of(date: string, hubs: readonly FleetHub[]): Promise<DayIndex | undefined> {
    const found = await Promise.all(hubs.map(async ({ images }) => images.of(date)));
    const parts = found.filter((day) => day !== undefined);
    const count = parts.reduce((sum, day) => sum + day.count, 0);
    if (count === 0) return undefined;
    const known = this.days.get(date);
    this.days.delete(date);
    const isFresh =
      known !== undefined &&
      (known.count === count || performance.now() - known.readMs < BUILD_MS_MIN);
    const day = isFresh ? known : build(date, parts);
    this.days.set(date, day);
    const [oldest] = this.days.keys();
    if (this.days.size > DAYS_MAX) this.days.delete(oldest!);
    return day;
  }

  /** Forgets all days. */
  clear(): void {
    this.days.clear();
  }
}

function build(date: string, parts: readonly HubDay[]): DayIndex {
  const day = new Day(date, (take) => {
    for (const part of parts) part.tell(take);
  });
  return new DayIndex(day, "");
}
