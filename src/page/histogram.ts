/**
 * From a time of day to the place of an image in the day's list, and back, by the counts of each
 * minute: without asking the hub.
 *
 * @module
 */

import type { DayCamera } from "./answers.ts";
import { DAY_MINUTES } from "./time.ts";

/** The images of some cameras by minutes. */
export class Histogram {
  /** How many images come before each minute, and at the end the count of all. */
  private readonly before = new Uint32Array(DAY_MINUTES + 1);

  constructor(cameras: readonly Omit<DayCamera, "first" | "last">[]) {
    for (const { minutes } of cameras)
      for (const [minute, count] of minutes) this.before[minute + 1]! += count;
    for (let minute = 0; minute < DAY_MINUTES; minute++)
      this.before[minute + 1]! += this.before[minute]!;
  }

  /** How many images a minute has. */
  countIn(minute: number): number {
    return (this.before[minute + 1] ?? 0) - (this.before[minute] ?? 0);
  }

  /** How many images come before a time; within a minute, as if they were spread evenly. */
  indexAt(time: number): number {
    const minute = Math.min(Math.floor(Math.max(0, time)), DAY_MINUTES - 1);
    return Math.floor(this.before[minute]! + (time - minute) * this.countIn(minute));
  }

  /** The time of an image, by the same rule. */
  timeAt(index: number): number {
    let low = 0;
    for (let high = DAY_MINUTES - 1; low < high;) {
      const middle = (low + high) >>> 1;
      if (this.before[middle + 1]! <= index) low = middle + 1;
      else high = middle;
    }
    const count = this.countIn(low);
    return low + (count === 0 ? 0 : Math.min(1, (index - this.before[low]!) / count));
  }
}
