/**
 * How many images the hours of several days have. One day after the other is asked for, as the hub
 * reads the names of all images of a day to count them.
 *
 * @module
 */

import { signal } from "@preact/signals";
import type { DayOverview } from "./answers.ts";
import { ApiError, dayPath } from "./api.ts";
import { ask, today } from "./hub.ts";
import { DAY_MINUTES } from "./time.ts";

/** Minutes that are counted together. */
export const STEP = 5;

/** The images of a camera in each {@link STEP} of a day. */
export interface CameraCounts {
  readonly name: string;
  readonly counts: readonly number[];
}

/** By date, as far as they are known. */
export const dayCounts = signal<ReadonlyMap<string, readonly CameraCounts[]>>(new Map());

const seen = new Set<string>();
let abort = new AbortController();
let isAsking = false;

/** Forgets today, which goes on. Of a day that is over, little changes. */
export function beginCounting(): void {
  dayCounts.value = new Map([...dayCounts.value].filter(([date]) => date !== today.peek()));
}

/** Asks for nothing more. */
export function endCounting(): void {
  seen.clear();
  abort.abort();
  abort = new AbortController();
}

/** Asks for a day soon, unless it is no longer seen by then. */
export function countDay(date: string, isSeen: boolean): void {
  if (isSeen) seen.add(date);
  else seen.delete(date);
  if (!isAsking) void askAll();
}

async function askAll(): Promise<void> {
  isAsking = true;
  try {
    for (let date = next(); date !== undefined; date = next())
      dayCounts.value = new Map(dayCounts.value).set(date, await countsOf(date));
  } catch {
    // Without counts, the hours are only not shaded. Trouble with the hub is said elsewhere.
  }
  isAsking = false;
}

/** The latest day that is seen and not known. */
function next(): string | undefined {
  return [...seen]
    .filter((date) => !dayCounts.value.has(date))
    .toSorted()
    .at(-1);
}

async function countsOf(date: string): Promise<readonly CameraCounts[]> {
  try {
    const { cameras } = await ask<DayOverview>(dayPath(date), { signal: abort.signal });
    return cameras.map(({ name, minutes }) => {
      const counts = Array<number>(DAY_MINUTES / STEP).fill(0);
      for (const [minute, count] of minutes) counts[Math.floor(minute / STEP)]! += count;
      return { name, counts };
    });
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

/** The images of some cameras in each hour of a day. */
export function hourly(cameras: readonly CameraCounts[]): number[] {
  const hours = Array<number>(24).fill(0);
  for (const { counts } of cameras)
    for (const [index, count] of counts.entries()) hours[Math.floor((index * STEP) / 60)]! += count;
  return hours;
}
