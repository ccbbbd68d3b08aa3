/**
 * What is held on the disk, as the rules need it: counted from the files, or from summaries of days
 * whose folders have not changed.
 *
 * @module
 */

import { datesIn } from "../catalog/catalog.ts";
import { keptDates, protectedNames } from "../catalog/kept.ts";
import { countDay, type DaySummary, Summaries } from "../catalog/summary.ts";
import { unlessMissing } from "../os/missing.ts";
import type { DataDirectory } from "../store/data-directory.ts";

/** A day that is held. */
interface HeldDay extends DaySummary {
  /** Without the protected images: what a rule may delete. */
  readonly free: DaySummary;
}

/** All that is held. */
export interface Holdings {
  /** The earliest first. */
  readonly days: readonly HeldDay[];
  readonly images: number;
  readonly bytes: number;
}

/** How the days are counted. */
export interface CountOptions {
  /** The local date: what is before it is over. */
  readonly today: string;
  /** Whether to count each file now, and believe no summary. */
  readonly anew: boolean;
  /** Whether summaries are kept for the next time. */
  readonly keeps: boolean;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Counts what is held. @throws {Error} of node:fs and {SystemError} */
export function countHoldings(directory: DataDirectory, options: CountOptions): Holdings {
  const { today, anew, keeps, onProgress } = options;
  using summaries = new Summaries(directory, keeps && !anew);
  const withProtected = new Set(keptDates(directory));
  const dates = datesIn(directory);
  const days = dates.flatMap((date, index) => {
    onProgress?.(index, dates.length);
    const folder = directory.dateFolder(date);
    const all = unlessMissing(() =>
      anew ? countDay(folder, date) : summaries.of(date, date < today),
    );
    if (all === undefined) return [];
    const free = withProtected.has(date)
      ? unlessMissing(() => countDay(folder, date, protectedNames(directory, date)))
      : all;
    return free === undefined ? [] : [{ ...all, free }];
  });
  return {
    days,
    images: days.reduce((sum, { images }) => sum + images, 0),
    bytes: days.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
