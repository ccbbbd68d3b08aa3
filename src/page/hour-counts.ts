/**
 * How many images the hours of several days have. One day after the other is asked for: the hub
 * reads the names of all images of a day to count them.
 *
 * @module
 */

import { signal } from "@preact/signals";
import type { DayCamera, DayOverview } from "./answers.ts";
import { ApiError, dayPath } from "./api.ts";
import { ask } from "./hub.ts";
import { DAY_MINUTES } from "./time.ts";

/** The counts of the days that somebody sees. */
export class HourCounts {
  /** By date, as far as they are known. */
  readonly days = signal<ReadonlyMap<string, readonly DayCamera[]>>(new Map());
  private readonly seen = new Set<string>();
  private readonly abort = new AbortController();
  private isAsking = false;

  /** Asks for a day soon, unless it is no longer seen by then. */
  see(date: string, isSeen: boolean): void {
    if (isSeen) this.seen.add(date);
    else this.seen.delete(date);
    if (!this.isAsking) void this.askAll();
  }

  /** Asks for nothing more. */
  close(): void {
    this.seen.clear();
    this.abort.abort();
  }

  private async askAll(): Promise<void> {
    this.isAsking = true;
    try {
      for (let date = this.next(); date !== undefined; date = this.next())
        this.days.value = new Map(this.days.value).set(date, await this.cameras(date));
    } catch {
      // Without counts, the hours are only not shaded. Trouble with the hub is said elsewhere.
    }
    this.isAsking = false;
  }

  /** The latest one that is seen and not known. */
  private next(): string | undefined {
    return [...this.seen]
      .filter((date) => !this.days.value.has(date))
      .toSorted()
      .at(-1);
  }

  private async cameras(date: string): Promise<readonly DayCamera[]> {
    try {
      return (await ask<DayOverview>(dayPath(date), { signal: this.abort.signal })).cameras;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  }
}

/** Adds up images by parts of a day. @param minutes of a part @returns from midnight on */
export function countIn(cameras: readonly DayCamera[], minutes: number): number[] {
  const counts = Array<number>(DAY_MINUTES / minutes).fill(0);
  for (const camera of cameras)
    for (const [minute, count] of camera.minutes) counts[Math.floor(minute / minutes)]! += count;
  return counts;
}
