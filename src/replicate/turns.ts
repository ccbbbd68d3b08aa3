/**
 * Which image is put next. Only the names of today and of one other day are in memory.
 *
 * @module
 */

import type { DataDirectory } from "../store/data-directory.ts";
import { type Backlog, sumOf } from "./backlog.ts";
import type { DayQueue, Lag, Order, WaitingImage } from "./day-queue.ts";
import { Journal } from "./journal.ts";

/** Days in hand: today, and another one. */
const DAYS_MAX = 2;

/** How often what cannot be put is tried again, in milliseconds. */
const AGAIN_MS = 60_000;

/** A day that is in hand. */
export interface OpenDay {
  readonly queue: DayQueue;
  readonly journal: Journal;
  /** Whether its event log was not in the bucket. */
  needsLog: boolean;
  /** Whether the bucket must first be asked what it has. */
  needsRecall: boolean;
  /** Whether it is being asked. */
  isRecalling: boolean;
}

/** An image whose turn it is. */
export interface Turn {
  readonly day: OpenDay;
  readonly image: WaitingImage;
}

/** What is needed to choose. */
export interface TurnParts {
  readonly directory: DataDirectory;
  readonly backlog: Backlog;
  readonly order: Order;
  /** The local date of now. */
  today(): string;
  /** Asks the bucket what it has of a day. */
  recall(day: OpenDay): void;
}

/** The days in hand, and their order. */
export class Turns {
  private readonly days = new Map<string, OpenDay>();
  /** How often all was given up. */
  private times = 0;
  /** Of which of these times all days were looked at. */
  private lookedTime = -1;
  /** When what cannot be put was tried again last. */
  private againMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: TurnParts) {}

  /** A day, if it is in hand; today is. @throws {SystemError} and {Error} of node:fs */
  get(date: string): OpenDay | undefined {
    if (date === this.parts.today() && !this.days.has(date)) this.open(date);
    return this.days.get(date);
  }

  /** Those in hand that are before a date, and whose event logs were not in the bucket. */
  withoutLog(before: string): OpenDay[] {
    return [...this.days.values()].filter(({ queue, needsLog }) => needsLog && queue.date < before);
  }

  /**
   * Takes today in hand, gives back what is through or was today before, and looks at the others.
   *
   * @throws {SystemError} and {Error} of node:fs
   */
  async refresh(): Promise<void> {
    const { days } = this;
    const { backlog } = this.parts;
    const today = this.parts.today();
    if (!days.has(today)) this.open(today);
    const now = performance.now();
    const isAgain = now - this.againMs >= AGAIN_MS;
    if (isAgain) this.againMs = now;
    for (const [date, { queue, journal, isRecalling }] of days) {
      if (isAgain) queue.comeBack();
      if (date === today || queue.isBusy || isRecalling) continue;
      if (queue.lag.images > 0 && days.size <= DAYS_MAX) continue;
      journal.flush();
      days.delete(date);
      backlog.close(date, queue.lag);
    }
    const { times } = this;
    await backlog.refresh((date) => days.has(date));
    this.lookedTime = times;
  }

  /** Whether all days were looked at. Before, {@link lag} is not all that waits. */
  get isLooked(): boolean {
    return this.lookedTime === this.times;
  }

  /** Gives up what is in hand: the bucket is another one, and nothing is known of it. */
  forget(): void {
    this.days.clear();
    this.times++;
    this.parts.backlog.clear();
  }

  /** Writes the journals. @throws {SystemError} and {Error} of node:fs */
  flush(): void {
    for (const { journal } of this.days.values()) journal.flush();
  }

  /** What waits, here and in the backlog. */
  get lag(): Lag {
    return Array.from(this.days.values(), ({ queue }) => queue.lag).reduce(
      sumOf,
      this.parts.backlog.lag,
    );
  }

  /** Takes the next image. @throws {SystemError} and {Error} of node:fs */
  next(): Turn | undefined {
    const { order, backlog } = this.parts;
    // Today's come last.
    if (order === "oldest" && !this.isLooked) return undefined;
    const today = this.parts.today();
    const others = [...this.days.keys()].filter((date) => date !== today).toSorted();
    for (const date of order === "newest" ? [today, ...others.toReversed()] : others) {
      const turn = this.takeFrom(date);
      // What the bucket has of it is being found out. The days after it wait for that.
      if (turn !== undefined || this.days.get(date)?.isRecalling === true) return turn;
    }
    const further = backlog.next();
    if (further !== undefined && further !== today) {
      this.open(further);
      return this.next();
    }
    return order === "oldest" ? this.takeFrom(today) : undefined;
  }

  private takeFrom(date: string): Turn | undefined {
    const day = this.days.get(date);
    if (day === undefined) return undefined;
    if (day.needsRecall) {
      day.needsRecall = false;
      if (day.queue.lag.images > 0) this.parts.recall(day);
    }
    if (day.isRecalling) return undefined;
    const image = day.queue.take(this.parts.order);
    return image && { day, image };
  }

  private open(date: string): void {
    const { backlog, directory } = this.parts;
    const { queue, hasJournal, hasLog, logSum } = backlog.open(date);
    const journal = new Journal(directory, date);
    const needsLog = hasLog && logSum === undefined;
    const needsRecall = !hasJournal;
    this.days.set(date, { queue, journal, needsLog, needsRecall, isRecalling: false });
  }
}
