/**
 * The time of day: when a request came, and how that reads on the wall of the place where the hub
 * stands.
 *
 * @module
 */

import { type CivilTime, localTime, realtimeMicros } from "../os/time.ts";

/** What the hub takes the time from; tests put their own in its place. */
export interface Clock {
  /** Microseconds since 1970 UTC. They step when the clock is set, also backwards. */
  micros(): number;
  /** A second since 1970 UTC as local time. */
  local(seconds: number): CivilTime;
}

/** The machine's own clock and time zone. */
export const systemClock: Clock = { micros: realtimeMicros, local: localTime };

/** One instant in local time, in the pieces that file names and log lines are made of. */
export interface LocalTime {
  /** `YYYY-MM-DD`. */
  readonly date: string;
  /** The same as a number, YYYYMMDD: days in the order of the calendar. */
  readonly day: number;
  /** `HH`, `MM`, `SS`. */
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
}

/**
 * Turns instants into local time, and remembers the last second, in which nearly all requests fall.
 */
export class Calendar {
  private cachedSecond = Number.NaN;
  private cached: LocalTime | undefined;

  constructor(private readonly clock: Clock) {}

  /** Microseconds since 1970 UTC. */
  now(): number {
    return this.clock.micros();
  }

  /** @param micros since 1970 UTC */
  local(micros: number): LocalTime {
    const seconds = Math.floor(micros / 1_000_000);
    if (this.cached === undefined || seconds !== this.cachedSecond) {
      const [year, month, day, hour, minute, second] = this.clock.local(seconds);
      this.cached = {
        date: `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`,
        day: year * 10_000 + month * 100 + day,
        hour: digits(hour, 2),
        minute: digits(minute, 2),
        second: digits(second, 2),
      };
      this.cachedSecond = seconds;
    }
    return this.cached;
  }
}

/** The microseconds within the second of an instant, as six digits. */
export function sixDigits(micros: number): string {
  return digits(micros % 1_000_000, 6);
}

/** The whole milliseconds within the second of an instant, as three digits. */
export function threeDigits(micros: number): string {
  return digits(Math.floor((micros % 1_000_000) / 1000), 3);
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, "0");
}
