/**
 * The line in the event log that tells what was deleted and why. `imagehub days` reads it back. It
 * has no `|`, so readers of events skip it, as they do other lines of the hub.
 *
 * @module
 */

import { counted, size } from "../log/amounts.ts";
import { daysAfter } from "../protocol/calendar.ts";
import { dayOf } from "../store/data-directory.ts";

/** Why something is deleted, by the name of its setting. */
export const REASONS = [
  "days",
  "event_days",
  "max_bytes",
  "min_free",
  "cameras.days",
  "cameras.max_bytes",
] as const;

/** One of {@link REASONS}. */
export type Reason = (typeof REASONS)[number];

/** What one run has deleted for one reason. */
export interface PruneRecord {
  readonly reason: Reason;
  /** Images, or event logs. */
  readonly count: number;
  readonly bytes: number;
  /** How many days have lost images. */
  readonly days: number;
  /** The days concerned, the earliest first; at least one. */
  readonly ranges: readonly DateRange[];
  /**
   * Up to when images of the last day are gone, such as `14:00`; undefined if up to its end. Images
   * that may not be deleted, such as protected ones, stay.
   */
  readonly until?: string | undefined;
  /** The cameras concerned: their names, or how many; undefined for all. */
  readonly cameras?: string | undefined;
}

/** Days in a row, such as `2018-12-30` to `2019-01-02`. */
export interface DateRange {
  readonly from: string;
  readonly to: string;
}

/** More ranges make no line that anybody reads. The last one then holds the rest. */
const RANGES_MAX = 20;

/** Nobody has images of more than a century. */
const DAYS_MAX = 36_525;

/** How many cameras are named. */
const CAMERAS_MAX = 5;

/** Puts days in a row together. @param dates the earliest first */
export function rangesOf(dates: readonly string[]): DateRange[] {
  const ranges: { from: string; to: string }[] = [];
  for (const date of dates) {
    const last = ranges.at(-1);
    if (last !== undefined && (daysAfter(last.to, 1) === date || ranges.length === RANGES_MAX))
      last.to = date;
    else ranges.push({ from: date, to: date });
  }
  return ranges;
}

/** The dates of days in a row. */
export function datesIn(ranges: readonly DateRange[]): string[] {
  return ranges.flatMap(({ from, to }) => {
    const dates: string[] = [];
    for (let date = from; date <= to && dates.length < DAYS_MAX; date = daysAfter(date, 1))
      dates.push(date);
    return dates;
  });
}

/** Cameras for {@link PruneRecord.cameras}. Their names have no spaces. */
export function camerasInWords(cameras: readonly string[]): string {
  return cameras.length > CAMERAS_MAX ? counted(cameras.length, "camera") : cameras.join(", ");
}

/** Such as `Pruned 1 day, 3,211 images, 512.0 MB: min_free (2026-11-20)`. */
export function formatRecord(record: PruneRecord): string {
  const { reason, count, bytes, days, ranges, until, cameras } = record;
  const what =
    reason === "event_days"
      ? counted(count, "event log")
      : `${counted(days, "day")}, ${counted(count, "image")}`;
  const place = [
    inWords(ranges),
    ...(until === undefined ? [] : [`until ${until}`]),
    ...(cameras === undefined ? [] : [`of ${cameras}`]),
  ].join(" ");
  return `Pruned ${what}, ${size(bytes)}: ${reason} (${place})`;
}

/** The line for a deletion whose count is lost. Such as `Pruned by a run that … (2026-11-20)`. */
export function formatInterrupted({ reason, from, to }: DateRange & { reason: Reason }): string {
  return `Pruned by a run that was interrupted: ${reason} (${inWords([{ from, to }])})`;
}

/** Such as `2026-11-20, 2026-11-22 to 2026-11-25`. */
function inWords(ranges: readonly DateRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? from : `${from} to ${to}`)).join(", ");
}

/** Reads {@link inWords}; undefined if it is none. */
function readRanges(text: string): DateRange[] | undefined {
  const ranges = text.split(", ").map((range) => {
    const [from = "", to = from, ...more] = range.split(" to ");
    const isOne = dayOf(from) !== undefined && dayOf(to) !== undefined && more.length === 0;
    return isOne ? { from, to } : undefined;
  });
  return ranges.every((range) => range !== undefined) ? ranges : undefined;
}

/** The units of {@link size}. */
const UNITS = { bytes: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 } as const;

const FORM =
  /^Pruned (?:([\d,]+) days?, )?([\d,]+) (?:images?|event logs?), ([\d.]+) (bytes|kB|MB|GB|TB): ([\w.]+) \(([-\d, to]+?)(?: until (\d{2}:00))?(?: of (.+))?\)$/;

const INTERRUPTED = /^Pruned by a run that was interrupted: ([\w.]+) \(([-\d, to]+)\)$/;

/**
 * Reads the text of a line. Bytes are as exact as the line is; a run that was interrupted has no
 * counts.
 *
 * @returns undefined if it is none
 */
export function parseRecord(text: string): PruneRecord | undefined {
  const [, cause, places = ""] = INTERRUPTED.exec(text) ?? [];
  const [, days, count, amount, unit, why = cause, where = places, until, cameras] =
    FORM.exec(text) ?? [];
  const [reason, ranges] = [reasonOf(why), readRanges(where)];
  if (reason === undefined || ranges === undefined) return undefined;
  const isCounted = amount !== undefined;
  return {
    reason,
    count: numberIn(count),
    bytes: isCounted ? Math.round(Number(amount) * UNITS[unit as keyof typeof UNITS]) : 0,
    days: numberIn(days),
    ranges,
    until,
    cameras,
  };
}

function reasonOf(name: string | undefined): Reason | undefined {
  return REASONS.find((each) => each === name);
}

function numberIn(text = "0"): number {
  return Number(text.replaceAll(",", ""));
}
