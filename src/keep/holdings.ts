/**
 * What is held on the disk, as the rules need it: counted from the files, or from summaries of days
 * whose folders have not changed.
 *
 * @module
 */

import { datesIn } from "../catalog/catalog.ts";
import { keptDates, protectedNames } from "../catalog/kept.ts";
import { countDay, type DaySummary, noImages, Summaries } from "../catalog/summary.ts";
import { messageOf } from "../errors.ts";
import { counted } from "../log/amounts.ts";
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
  /** Bytes without the protected images. */
  readonly freeBytes: number;
  /** Days and images that cannot be read, and are left out; complete messages. */
  readonly problems: readonly string[];
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

/**
 * Counts what is held. A day that cannot be read is left out, and the others are counted.
 *
 * @throws {Error} of node:fs and {SystemError} if nobody knows which days there are
 */
export function countHoldings(directory: DataDirectory, options: CountOptions): Holdings {
  const { today, anew, keeps, onProgress } = options;
  const problems: string[] = [];
  using summaries = new Summaries(directory, keeps && !anew);
  const withProtected = new Set(keptDates(directory));
  const dates = datesIn(directory);
  const days = dates.flatMap((date, index) => {
    onProgress?.(index, dates.length);
    const folder = directory.dateFolder(date);
    const read = <T>(what: () => T): T | undefined => {
      try {
        return unlessMissing(what);
      } catch (error) {
        problems.push(`Cannot read images of ${date}: ${messageOf(error)}`);
        return undefined;
      }
    };
    const all = read(() => (anew ? countDay(folder, date) : summaries.of(date, date < today)));
    if (all === undefined) return [];
    if (all.unreadable > 0)
      problems.push(
        `Cannot look at ${counted(all.unreadable, "image")} of ${date}: run imagehub verify ${date}`,
      );
    const free = withProtected.has(date)
      ? read(() => countDay(folder, date, protectedNames(directory, date)))
      : all;
    // Unless it is known what is protected, all of it may be.
    return [{ ...all, free: free ?? noImages(date) }];
  });
  return {
    days,
    images: days.reduce((sum, { images }) => sum + images, 0),
    bytes: days.reduce((sum, { bytes }) => sum + bytes, 0),
    freeBytes: days.reduce((sum, { free }) => sum + free.bytes, 0),
    problems,
  };
}
