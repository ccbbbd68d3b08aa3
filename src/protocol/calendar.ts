/**
 * Time: when a request arrived, in the hub's local time.
 *
 * @module
 */

import { type CivilTime, localTime, realtimeMicros } from "../os/time.ts";

/** Source of the time. Tests use their own. */
export interface Clock {
  /** Microseconds since 1970 UTC. They jump when the clock is set, also backwards. */
  micros(): number;
  /** Converts seconds since 1970 UTC to local time. */
  local(seconds: number): CivilTime;
}

/** The machine's own clock and time zone. */
export const systemClock: Clock = { micros: realtimeMicros, local: localTime };

/** An instant in local time, in the parts used in file names and log lines. */
export interface LocalTime {
  /** `YYYY-MM-DD`. */
  readonly date: string;
  /** The date as a number, YYYYMMDD. Numbers sort like dates. */
  readonly day: number;
  /** `HH`, `MM`, `SS`. */
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
}

/**
 * Converts instants to local time. Remembers the last second, because most requests fall into it.
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

/** A date, such as `2018-12-30`, some days later, or earlier if `days` is negative. */
export function daysAfter(date: string, days: number): string {
  const [year, month, day] = date.split("-").map(Number) as [number, number, number];
  const later = new Date(Date.UTC(year, month - 1, day + days));
  return [later.getUTCFullYear(), later.getUTCMonth() + 1, later.getUTCDate()]
    .map((part, index) => digits(part, index === 0 ? 4 : 2))
    .join("-");
}

/** An instant in UTC, such as `2018-12-30T23:13:31.620Z`; null for 0. @param ms since 1970 */
export function instantOf(ms: number): string | null {
  return ms > 0 ? new Date(ms).toISOString() : null;
}

/** The microseconds within a second, as six digits. */
export function sixDigits(micros: number): string {
  return digits(micros % 1_000_000, 6);
}

/** The whole milliseconds within a second, as three digits. */
export function threeDigits(micros: number): string {
  return digits(Math.floor((micros % 1_000_000) / 1000), 3);
}

/** A whole number with zeros in front, so that it has this many digits. */
export function digits(value: number, width: number): string {
  return String(value).padStart(width, "0");
}
