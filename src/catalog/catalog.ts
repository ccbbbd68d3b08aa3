/**
 * The catalog: which days there are, and what each holds. The tree of files is the database; all of
 * this is read from it.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { messageOf } from "../errors.ts";
import { unlessMissing } from "../os/missing.ts";
import { dayOf, type DataDirectory } from "../store/data-directory.ts";
import { type DatedRecord, readEvents } from "./events.ts";
import { type Amount, countKept, keptDates } from "./kept.ts";
import { datesIn as datesInRanges } from "./record.ts";
import { type DaySummary, noImages, Summaries } from "./summary.ts";

/** A day with what it holds. */
export interface CatalogDay extends DaySummary {
  readonly events: number;
  /** Its protected images. They are also counted in the rest, while they are in `images` too. */
  readonly protected: Amount;
  /**
   * What was deleted of its images and events, as the event logs tell, the earliest deletion first.
   */
  readonly pruned: readonly DatedRecord[];
  /** Why its images, or its protected images, are not counted. */
  readonly problem?: string;
}

/** What the catalog was asked to do. */
export interface CatalogOptions {
  /** The local date of now, such as `2018-12-30`: what is before it is over. */
  readonly today: string;
  /** Whether summaries are kept beside the data, so that the next time is fast. */
  readonly keeps: boolean;
  /** Further dates to list, such as those of an archive. */
  readonly others?: Iterable<string>;
  /** Is told how far it has come. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The dates of all folders with images, the earliest first. @throws {Error} of node:fs */
export function datesIn({ images }: DataDirectory): string[] {
  return readdirSync(images, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && dayOf(entry.name) !== undefined)
    .map(({ name }) => name)
    .toSorted();
}

/**
 * What is in the folder of the images and is none of a day: nothing of it is counted or deleted.
 *
 * @returns names in alphabetical order
 * @throws {Error} of node:fs
 */
export function strangersIn({ images }: DataDirectory): string[] {
  return readdirSync(images, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith("."))
    .filter((entry) => !entry.isDirectory() || dayOf(entry.name) === undefined)
    .map(({ name }) => name)
    .toSorted();
}

/**
 * All days that have images, protected images or events, or had images, the earliest first. A day
 * that cannot be read counts nothing, and says why.
 *
 * @throws {Error} of node:fs, and {SystemError} if nobody knows which days there are
 */
export function readDays(directory: DataDirectory, options: CatalogOptions): CatalogDay[] {
  const { today, keeps, others = [], onProgress } = options;
  using summaries = new Summaries(directory, keeps);
  const { counts, records } = readEvents(directory);
  const folders = new Set(datesIn(directory));
  const kept = new Set(keptDates(directory));
  const pruned = byDate(records);
  const dates = [
    ...new Set([...folders, ...kept, ...counts.keys(), ...pruned.keys(), ...others]),
  ].toSorted();
  return dates.map((date, index) => {
    onProgress?.(index, dates.length);
    let [summary, held] = [noImages(date), { images: 0, bytes: 0 }];
    let problem: string | undefined;
    try {
      if (kept.has(date)) held = countKept(directory, date);
      if (folders.has(date))
        summary = unlessMissing(() => summaries.of(date, date < today)) ?? summary;
    } catch (error) {
      problem = messageOf(error);
    }
    return Object.assign(
      {
        events: counts.get(date) ?? 0,
        protected: held,
        pruned: pruned.get(date) ?? [],
      },
      problem === undefined ? {} : { problem },
      summary,
    );
  });
}

/** What was deleted on each day. Only the last day of a deletion has lost a part of its hours. */
function byDate(records: readonly DatedRecord[]): Map<string, DatedRecord[]> {
  const found = new Map<string, DatedRecord[]>();
  for (const record of records) {
    const dates = datesInRanges(record.ranges);
    for (const date of dates) {
      const until = date === dates.at(-1) ? record.until : undefined;
      const of = found.get(date) ?? [];
      of.push(Object.assign({}, record, { until }));
      found.set(date, of);
    }
  }
  return found;
}
