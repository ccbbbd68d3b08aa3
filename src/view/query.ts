/**
 * Reads the parameters of requests. Whatever is not what it must be is refused.
 *
 * @module
 */

import { digits } from "../protocol/calendar.ts";
import { dayOf } from "../store/data-directory.ts";

/** A request that cannot be answered as it is. The message says why. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const MINUTE = 60_000_000;
const DAY = 24 * 60 * MINUTE;

/** A date such as `2018-12-30`. @throws {Refused} */
export function dateIn(text: string): string {
  if (dayOf(text) === undefined) throw new Refused(400, "A date must be as 2018-12-30");
  return text;
}

/**
 * A time of day, such as `23:13`, `23:13:31` or `23:13:31.620992`.
 *
 * @returns microseconds since midnight
 * @throws {Refused}
 */
export function timeIn(text: string): number {
  const [, hour, minute, second = "0", fraction = ""] =
    /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?$/.exec(text) ?? [];
  const minutes = Number(hour) * 60 + Number(minute);
  const micros = minutes * MINUTE + Number(second) * 1e6 + Number(fraction.padEnd(6, "0"));
  if (hour === undefined || Number(minute) > 59 || Number(second) > 59 || micros > DAY)
    throw new Refused(400, "A time of day must be as 23:13 or 23:13:31.620992");
  return micros;
}

/** The form of {@link timeIn}. @param micros since midnight */
export function timeText(micros: number): string {
  const [hours, minutes, seconds] = [micros / 3.6e9, (micros / MINUTE) % 60, (micros / 1e6) % 60];
  const clock = [hours, minutes, seconds].map((part) => digits(Math.floor(part), 2)).join(":");
  return `${clock}.${digits(micros % 1e6, 6)}`;
}

/** A whole number within bounds. @throws {Refused} */
export function numberIn(
  query: URLSearchParams,
  name: string,
  bounds: { readonly from: number; readonly to: number; readonly default: number },
): number {
  const text = query.get(name);
  if (text === null) return bounds.default;
  const number = /^-?\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= bounds.from && number <= bounds.to))
    throw new Refused(400, `${name} must be a whole number from ${bounds.from} to ${bounds.to}`);
  return number;
}

/** What a list of images of a day is limited to. */
export interface Filter {
  /** undefined: all. */
  readonly cameras: ReadonlySet<string> | undefined;
  /** Microseconds since midnight; `to` is not included. */
  readonly from: number;
  readonly to: number;
}

/** The parameters `camera`, `from` and `to`. @throws {Refused} */
export function filterIn(query: URLSearchParams): Filter {
  const cameras = query.getAll("camera");
  const [from, to] = [query.get("from"), query.get("to")];
  return {
    cameras: cameras.length === 0 ? undefined : new Set(cameras),
    from: from === null ? 0 : timeIn(from),
    to: to === null ? DAY : timeIn(to),
  };
}

/** The names of images in a body: pairs of a date and a name. @throws {Refused} */
export function imagesIn(value: unknown, max: number): [date: string, name: string][] {
  if (!Array.isArray(value) || value.length === 0 || value.length > max)
    throw new Refused(400, `images must be a list of 1 to ${max} pairs of a date and a name`);
  return value.map((pair: unknown) => {
    const [date, name] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof date !== "string" || typeof name !== "string")
      throw new Refused(400, "images must be pairs of a date and a name");
    return [dateIn(date), name];
  });
}
