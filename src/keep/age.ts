/**
 * How old days are, when the clock may be wrong.
 *
 * A day that is too old is deleted a day later than the clock says: the date that counts is one
 * that the clock has shown for a whole day. So a clock that is a day ahead, and is set back later,
 * deletes nothing early.
 *
 * A machine without a battery for its clock starts in 1970. Nobody knows how old the images are
 * that it stores then.
 *
 * @module
 */

import { type Calendar, daysAfter } from "../protocol/calendar.ts";
import type { SeenDays } from "../shared/messages.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** No hub is older: an earlier date is that of a clock that was wrong. */
const FIRST_DATE = "2018-01-01";

/** Whether a day has the date of a clock that was wrong. Its true date is not known. */
export function isUndated(date: string): boolean {
  return date < FIRST_DATE;
}

/** Watches the clock and the days that images are stored in. All times are of a steady clock. */
export class ClockHistory {
  private readonly startedMs: number;
  /** What the clock showed from a moment on, the earliest first. */
  private shown: { readonly fromMs: number; readonly date: string }[] = [];
  private readonly stored = new Map<string, { images: number; atMs: number }>();

  /** @param nowMs of a clock that nobody sets */
  constructor(nowMs: number) {
    this.startedMs = nowMs;
  }

  /**
   * Looks once.
   *
   * @param today what the clock shows
   * @param stored images in the days that are stored in, by date
   */
  look(nowMs: number, today: string, stored: ReadonlyMap<string, number>): SeenDays {
    if (this.shown.at(-1)?.date !== today) this.shown.push({ fromMs: nowMs, date: today });
    // What was shown when the day before now began still counts.
    const first = this.shown.findLastIndex(({ fromMs }) => fromMs <= nowMs - DAY_MS);
    this.shown = this.shown.slice(Math.max(0, first));
    for (const [date, images] of stored) {
      if (this.stored.get(date)?.images !== images) this.stored.set(date, { images, atMs: nowMs });
    }
    const storedWithin = (ms: number): string[] =>
      [...this.stored].filter(([, { atMs }]) => nowMs - atMs < ms).map(([date]) => date);
    const dates = this.shown.map(({ date }) => date).toSorted();
    return {
      today,
      confirmed: nowMs - this.startedMs < DAY_MS ? undefined : dates[0],
      storedLastHour: storedWithin(HOUR_MS),
      storedLastDay: storedWithin(DAY_MS),
    };
  }
}

/**
 * The date from which ages count. It is never later than the true one, if the clock was a day ahead
 * at most.
 *
 * @param dates of the folders with images, the earliest first
 */
export function referenceDate({ today, confirmed }: SeenDays, dates: readonly string[]): string {
  // A hub that has just started knows its clock only from what is stored. The latest day may be
  // one of a wrong clock.
  const known = [...new Set([...dates.filter((date) => date < today), today])].toSorted();
  const date = confirmed ?? known.at(-2) ?? today;
  return date < today ? date : today;
}

/**
 * The days that no rule may touch: the latest ones by the calendar, as many that have images, and
 * those that the hub stores in under a wrong date.
 *
 * @param dates of the folders with images, the earliest first
 * @param minDays with 0, only the last two hours are safe: see {@link twoHoursAgo}
 */
export function youngDays(seen: SeenDays, dates: readonly string[], minDays: number): Set<string> {
  if (minDays === 0) return new Set();
  const first = daysAfter(seen.today, 1 - minDays);
  // Not at midnight: then the hub has stored in the day before, and rightly so.
  const yesterday = daysAfter(seen.today, -1);
  return new Set([
    ...dates.filter((date) => date >= first),
    ...dates.slice(-minDays),
    ...seen.storedLastHour.filter((date) => date !== yesterday),
  ]);
}

/**
 * The local time two hours ago: later images are never deleted. One hour is for the end of summer
 * time, when the clock goes back.
 */
export function twoHoursAgo(calendar: Calendar): {
  readonly date: string;
  readonly micros: number;
} {
  const { date, hour, minute, second } = calendar.local(calendar.now() - 2 * HOUR_MS * 1000);
  const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second);
  return { date, micros: seconds * 1e6 };
}
