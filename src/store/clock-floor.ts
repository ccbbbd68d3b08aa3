/**
 * Whether the clock can be right. A machine without a battery for it begins in 1970, or where it
 * was when its system was made, and goes on from there until somebody tells it the time, often
 * minutes after the hub has started.
 *
 * A right clock is past the day on which the program was made, and past that of most of the newest
 * folders and logs: one or two of those may come from a clock that was ahead.
 *
 * @module
 */

import type { Calendar, LocalTime } from "../protocol/calendar.ts";
import type { Log } from "../log/log.ts";
import { Integer, type Shared } from "../shared/memory.ts";
import { type DataDirectory, dateOf, dayOf } from "./data-directory.ts";
import { datedLogs, namesIn } from "./log-files.ts";

/** How many of the newest days are asked. */
const DAYS_ASKED = 5;

/**
 * How far the clock may be behind all the same: time zones, and a clock that was corrected over
 * midnight.
 */
const BEHIND_MS_MAX = 2 * 86_400_000;

/** How often the files are looked at again, in milliseconds. */
const LOOK_MS = 3_600_000;

/**
 * The earliest day on which a right clock can stand.
 *
 * @param directory what cannot be read there counts for nothing
 * @param madeS when the program was made, in seconds since 1970; 0: not known
 * @returns e.g. 20181230; 0 where nothing is known
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
 * What is wrong with a clock; undefined: nothing that is known. @param floor of {@link clockFloor}
 */
export function clockProblem({ day, date }: LocalTime, floor: number): string | undefined {
  if (day >= floor) return undefined;
  return `The clock is wrong: it shows ${date}, and it must be ${dateOf(floor)} or later. All is stored, under that date`;
}

/** Says that the clock is wrong, and when it no longer is. It lives in the flusher. */
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

  /** Looks once. */
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
      this.log.warn(`${problem}, until it is set (NTP, or timedatectl set-time)`);
    else this.log.info(`The clock is right again: it shows ${time.date}`);
  }
}

/** The day in UTC. @param ms since 1970 */
function dayAt(ms: number): number {
  return dayOf(new Date(ms).toISOString().slice(0, 10))!;
}

/** The day that is so much earlier. Names can be of days that no calendar has. */
function earlier(day: number): number {
  const ms = Date.parse(`${dateOf(day)}T00:00:00Z`);
  return Number.isNaN(ms) ? 0 : dayAt(Math.max(0, ms - BEHIND_MS_MAX));
}
