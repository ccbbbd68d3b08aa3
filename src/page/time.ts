/**
 * Dates and times as the hub writes them, as numbers, and as a person reads them. All are the hub's
 * local time: the browser's own zone plays no part.
 *
 * @module
 */

/** Minutes of a day. */
export const DAY_MINUTES = 1440;

const DAY_MS = 86_400_000;

/**
 * A time of day in minutes, with a fraction: of `23:13`, `23:13:31.620992` or `23:13:31,620`.
 *
 * @returns NaN if it is none
 */
export function minutesOf(time: string): number {
  const [, hour, minute, second = "0"] =
    /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:[.,]\d+)?))?$/u.exec(time) ?? [];
  return Number(hour) * 60 + Number(minute) + Number(second.replace(",", ".")) / 60;
}

/** `14:05`, or `14:05:33` with seconds. @param minutes of the day */
export function clockTime(minutes: number, withSeconds = false): string {
  // A microsecond that floating point has lost must not become the second before.
  const seconds = Math.floor(Math.min(Math.max(minutes, 0), DAY_MINUTES - 1 / 60) * 60 + 1e-4);
  const parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) =>
    String(Math.floor(part)).padStart(2, "0"),
  );
  return parts.slice(0, withSeconds ? 3 : 2).join(":");
}

/** What is said if somebody types something else. */
export const TYPE_A_TIME = "Type a time such as 14:05";

/**
 * What a person types as a time: `14:05`, `14.05`, `1405`, `14`, `9:30:15`.
 *
 * @returns such as `14:05`; undefined if it is none
 */
export function typedTime(text: string): string | undefined {
  const digits =
    /^\s*(\d{1,2})(?:[:.h ]?(\d\d)(?:[:. ]?(\d\d))?)?(?:[.,]\d*)?\s*$/u.exec(text) ?? [];
  const [, hour, minute = "00", second] = digits;
  if (hour === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59)
    return undefined;
  return [hour.padStart(2, "0"), minute, ...(second === undefined ? [] : [second])].join(":");
}

/** An instant of the hub's clock, as if its zone were UTC; in milliseconds. */
export function instant(date: string, time: string): number {
  return Date.parse(`${date}T${time.replace(",", ".").slice(0, 12)}Z`);
}

/** The minute of the day of such an instant, with a fraction. */
export function minuteOfDay(ms: number): number {
  return (ms % DAY_MS) / 60_000;
}

/** The date of such an instant. */
export function dateAt(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** A date some days later, or earlier. */
export function addDays(date: string, days: number): string {
  return dateAt(Date.parse(date) + days * DAY_MS);
}

/** Whether a text is a date such as `2018-12-30`. */
export function isDate(text: string): boolean {
  // Some browsers take 31 February for a day in March.
  const ms = /^\d{4}-\d\d-\d\d$/u.test(text) ? Date.parse(text) : NaN;
  return !Number.isNaN(ms) && dateAt(ms) === text;
}

function format(options: Intl.DateTimeFormatOptions): (date: string) => string {
  const formatter = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" });
  return (date) => formatter.format(Date.parse(date));
}

/** `Sat, 28 Nov`. */
export const shortDate = format({ weekday: "short", day: "numeric", month: "short" });

/** `Saturday 28 November 2026`. */
export const longDate = format({ dateStyle: "full" });

/** `November 2026`. @param date of any day of it */
export const monthName = format({ month: "long", year: "numeric" });

/** A day as a person calls it: `Today`, `Yesterday`, `Sat, 28 Nov`. */
export function dayName(date: string, today: string): string {
  if (date === today) return "Today";
  if (date === addDays(today, -1)) return "Yesterday";
  return date.slice(0, 4) === today.slice(0, 4)
    ? shortDate(date)
    : `${shortDate(date)} ${date.slice(0, 4)}`;
}

/** A span of time in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  const days = Math.floor(seconds / 86_400);
  return days === 1 ? "1 day" : `${days} days`;
}
