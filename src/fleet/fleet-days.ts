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

/** A day is put together again after so many times as long as that took: zones come mixed. */
const BUILD_PAUSES = 4;

/** A day that is held. */
interface HeldDay {
  readonly index: DayIndex;
  /** When it may be put together again, by `performance.now`. */
  readonly againMs: number;
}

/** The days that are held. */
export class FleetDays {
  /** The one that was asked for last comes last. */
  private readonly days = new Map<string, HeldDay>();

  /** Takes in an image that is new. */
  add({ date, name, camera, time }: LiveImage): void {
    // One that is not the latest is taken in when the day is put together again.
    this.days.get(date)?.index.add({ name, camera, micros: timeIn(time) });
  }

  /** A day; undefined if it has no images. */
  async of(date: string, hubs: readonly FleetHub[]): Promise<DayIndex | undefined> {
    const found = await Promise.all(hubs.map(async ({ images }) => images.of(date)));
    const parts = found.filter((day) => day !== undefined);
    if (countOf(parts) === 0) return undefined;
    const known = this.days.get(date);
    // Nobody asks again for what is missing: they wait, and all for the same.
    if (known !== undefined && known.index.count !== countOf(parts))
      await Bun.sleep(Math.max(0, known.againMs - performance.now()));
    const held = this.days.get(date);
    this.days.delete(date);
    const day = held?.index.count === countOf(parts) ? held : build(date, parts);
    this.days.set(date, day);
    const [oldest] = this.days.keys();
    if (this.days.size > DAYS_MAX) this.days.delete(oldest!);
    return day.index;
  }

  /** Forgets all days. */
  clear(): void {
    this.days.clear();
  }
}

function countOf(parts: readonly HubDay[]): number {
  return parts.reduce((sum, day) => sum + day.count, 0);
}

function build(date: string, parts: readonly HubDay[]): HeldDay {
  const beganMs = performance.now();
  const day = new Day(date, (take) => {
    for (const part of parts) part.tell(take);
  });
  const endMs = performance.now();
  return { index: new DayIndex(day, ""), againMs: endMs + BUILD_PAUSES * (endMs - beganMs) };
}
