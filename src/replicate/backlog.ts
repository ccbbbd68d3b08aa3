/**
 * Which days have something that is not in the bucket, and how much. The names are read again when
 * it is a day's turn, so that a backlog of months takes no memory.
 *
 * @module
 */

import { datesOf } from "../archive/source.ts";
import { messageOf } from "../errors.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { type Lag, NO_LAG, type Order } from "./day-queue.ts";
import { journals, removeJournal } from "./journal.ts";
import { type Look, lookAt, stampOfDay } from "./look.ts";

/** What is known of a day. */
interface KnownDay {
  /** See {@link stampOfDay}; empty if it must be looked at again. */
  stamp: string;
  lag: Lag;
  /** Whether all of it is in the bucket, with its manifest. */
  isFinished: boolean;
}

/** The days of one data directory. */
export class Backlog {
  private readonly days = new Map<string, KnownDay>();
  /** Those with images that wait, in their order; undefined until it is asked for. */
  private waiting: string[] | undefined;

  /**
   * @param order of the days
   * @param isRefused whether a path differs from what is in the bucket, so that it waits no more
   * @param onProblem is told why a day cannot be looked at
   */
  constructor(
    private readonly directory: DataDirectory,
    private readonly order: Order,
    private readonly isRefused: (path: string) => boolean,
    private readonly onProblem: (message: string) => void,
  ) {}

  /**
   * Looks at all days that have changed. Between two, other work has its turn. One that cannot be
   * looked at holds up no other.
   *
   * @param isOpen whether a day is in somebody's hands, who knows better
   * @throws {SystemError} and {Error} of node:fs
   */
  async refresh(isOpen: (date: string) => boolean): Promise<void> {
    const dates = datesOf(this.directory);
    const present = new Set(dates);
    for (const date of this.days.keys()) if (!present.has(date)) this.forget(date);
    for (const date of journals(this.directory))
      if (!present.has(date) && !isOpen(date)) removeJournal(this.directory, date);
    for (const date of this.order === "newest" ? dates.toReversed() : dates) {
      if (isOpen(date) || !this.look(date)) continue;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Looks at a day, if it has changed. @returns whether it took time */
  private look(date: string): boolean {
    try {
      const stamp = stampOfDay(this.directory, date);
      if (this.days.get(date)?.stamp === stamp) return false;
      const { queue, isFinished } = lookAt(this.directory, date, this.isRefused);
      this.set(date, { stamp, lag: queue.lag, isFinished });
    } catch (error) {
      this.forget(date);
      this.onProblem(`Cannot look at ${date}: ${messageOf(error)}`);
    }
    return true;
  }

  /** Takes a day out, to work on it. @throws as {@link refresh} */
  open(date: string): Look {
    this.forget(date);
    return lookAt(this.directory, date, this.isRefused);
  }

  /**
   * A day that was opened comes back.
   *
   * @param finished its stamp if it has its manifest, from before it was looked at
   */
  close(date: string, lag: Lag, finished = ""): void {
    this.set(date, { stamp: finished, lag, isFinished: finished !== "" });
  }

  private set(date: string, day: KnownDay): void {
    this.days.set(date, day);
    this.waiting = undefined;
  }

  private forget(date: string): void {
    this.days.delete(date);
    this.waiting = undefined;
  }

  /** Forgets all days, so that each is looked at again. */
  clear(): void {
    this.days.clear();
    this.waiting = undefined;
  }

  /** Something has come to a day. */
  touch(date: string): void {
    const known = this.days.get(date);
    if (known !== undefined) known.stamp = "";
  }

  /** The next day that has images that wait. */
  next(): string | undefined {
    this.waiting ??= Array.from(this.days)
      .filter(([, { lag }]) => lag.images > 0)
      .map(([date]) => date)
      .toSorted();
    return this.order === "newest" ? this.waiting.at(-1) : this.waiting[0];
  }

  /** Days before a date of which all images are in the bucket, but that have no manifest yet. */
  unfinished(before: string): string[] {
    return [...this.days]
      .filter(([date, { lag, isFinished }]) => date < before && lag.images === 0 && !isFinished)
      .map(([date]) => date)
      .toSorted();
  }

  get lag(): Lag {
    return Array.from(this.days.values(), ({ lag }) => lag).reduce(sumOf, NO_LAG);
  }
}

/** Two lags together. */
export function sumOf(one: Lag, other: Lag): Lag {
  return {
    images: one.images + other.images,
    bytes: one.bytes + other.bytes,
    oldestMs: Math.min(one.oldestMs, other.oldestMs),
  };
}
