/**
 * Checks whether the clock can be right. A machine without a battery for its clock starts in 1970,
 * or at the time its system was made. Its time is set later, often minutes after the hub has
 * started.
 *
 * A correct clock is past the day on which the program was made, and past most of the newest
 * folders and logs. One or two of those may come from a clock that was ahead.
 *
 * @module
 */

import type { Calendar, LocalTime } from "../protocol/calendar.ts";
import type { Log } from "../log/log.ts";
import { Integer, type Shared } from "../shared/memory.ts";
import { type DataDirectory, dateOf, dayOf } from "./data-directory.ts";
import { datedLogs, namesIn } from "./log-files.ts";

/** How many of the newest days are considered. */
const DAYS_ASKED = 5;

/**
 * How far behind the clock may be nevertheless: because of time zones, and of corrections over
 * midnight.
 */
const BEHIND_MS_MAX = 2 * 86_400_000;

/** How often to check the files again, in milliseconds. */
const LOOK_MS = 3_600_000;

/**
 * The earliest day that a correct clock can show.
 *
 * @param directory the data directory; unreadable parts are ignored
 * @param madeS when the program was made, in seconds since 1970; 0 if unknown
 * @returns e.g. 20181230; 0 if nothing is known
 */
export function clockFloor(directory: DataDirectory, madeS: number): number {
  const folders = namesIn(directory.images)
    .map((name) => dayOf(name))
    .filter((day) => day !== undefined);
  const days = new Set([...folders, ...datedLogs(directory.logs)]);
  const newest = [...days].toSorted((a, b) => b - a).slice(0, DAYS_ASKED);
  const middle = newest[Math.floor(newest.length / 2)] ?? 0;
  return Math.max(earlier(middle), earlier(madeS === 0 ? 0 : dayAt(madeS * 1000)));
}

/**
 * What is wrong with the clock; undefined if nothing is known to be. @param floor from {@link
 * clockFloor}
 */
export function clockProblem({ day, date }: LocalTime, floor: number): string | undefined {
  if (day >= floor) return undefined;
  return `The clock is wrong: it shows ${date}, but today is ${dateOf(floor)} or later. Images are stored under the wrong date`;
}

/** Logs when the clock is wrong, and when it is right again. It runs in the flusher. */
export class ClockWatch {
  private isWrong = false;
  private lookedMs = performance.now();

  /** @param madeS see {@link clockFloor} */
  constructor(
    private readonly directory: DataDirectory,
    private readonly calendar: Calendar,
    private readonly shared: Pick<Shared, "integers">,
    private readonly log: Pick<Log, "info" | "warn">,
    private readonly madeS: number,
  ) {}

  /** Checks once. */
  look(): void {
    const { integers } = this.shared;
    const now = performance.now();
    if (now - this.lookedMs >= LOOK_MS) {
      this.lookedMs = now;
      Atomics.store(integers, Integer.clockFloor, clockFloor(this.directory, this.madeS));
    }
    const time = this.calendar.local(this.calendar.now());
    const problem = clockProblem(time, Atomics.load(integers, Integer.clockFloor));
    if ((problem !== undefined) === this.isWrong) return;
    this.isWrong = problem !== undefined;
    if (problem !== undefined)
      this.log.warn(`${problem}. Set the clock (NTP, or timedatectl set-time)`);
    else this.log.info(`The clock is right again: it shows ${time.date}`);
  }
}

/** The UTC date. @param ms since 1970 */
function dayAt(ms: number): number {
  return dayOf(new Date(ms).toISOString().slice(0, 10))!;
}

/** An earlier day. Names may contain days that are in no calendar. */
function earlier(day: number): number {
  const ms = Date.parse(`${dateOf(day)}T00:00:00Z`);
  return Number.isNaN(ms) ? 0 : dayAt(Math.max(0, ms - BEHIND_MS_MAX));
}
