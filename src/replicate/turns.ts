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

/** A day that is in hand. */
export interface OpenDay {
  readonly queue: DayQueue;
  readonly journal: Journal;
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
  /** Whether all days were looked at. */
  private isLooked = false;

  constructor(private readonly parts: TurnParts) {}

  /** A day, if it is in hand; today is. @throws {SystemError} and {Error} of node:fs */
  get(date: string): OpenDay | undefined {
    if (date === this.parts.today() && !this.days.has(date)) this.open(date);
    return this.days.get(date);
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
    for (const [date, { queue, journal, isRecalling }] of days) {
      queue.comeBack();
      if (date === today || queue.isBusy || isRecalling) continue;
      if (queue.lag.images > 0 && days.size <= DAYS_MAX) continue;
      journal.flush();
      days.delete(date);
      backlog.close(date, queue.lag);
    }
    await backlog.refresh((date) => days.has(date));
    this.isLooked = true;
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
    const { queue, hasJournal } = backlog.open(date);
    const journal = new Journal(directory, date);
    this.days.set(date, { queue, journal, needsRecall: !hasJournal, isRecalling: false });
  }
}
