/**
 * When the disk will be full.
 *
 * @module
 */

import { bytesIn, bytesOfDisk } from "../config/quantity.ts";
import type { Settings } from "../config/schema.ts";
import { daysAfter } from "../protocol/calendar.ts";
import type { Holdings } from "./holdings.ts";
import type { Space } from "./space.ts";

/** The rate is that of the latest week. */
const WEEK = 7;

/** What is to be expected. */
export interface Forecast {
  /** What a day has taken in the last week; 0 if no day is over yet. */
  readonly bytesPerDay: number;
  /** Days until the disk is full; undefined if the rules prevent it, or nothing is known. */
  readonly fullInDays: number | undefined;
}

/** Looks ahead at the rate of the last week. @param today the local date */
export function forecast(
  keep: Settings["keep"],
  holdings: Holdings,
  space: Space,
  today: string,
): Forecast {
  const bytesPerDay = ratePerDay(holdings, today);
  const room = roomOf(keep, holdings, space, bytesPerDay);
  const isFilling = bytesPerDay > 0 && room >= space.freeBytes;
  return { bytesPerDay, fullInDays: isFilling ? space.freeBytes / bytesPerDay : undefined };
}

/** Bytes that a day of the last week has taken. Days without images count. */
function ratePerDay({ days }: Holdings, today: string): number {
  const first = days[0]?.date;
  if (first === undefined || first >= today) return 0;
  const weekAgo = daysAfter(today, -WEEK);
  const from = first > weekAgo ? first : weekAgo;
  const bytes = days
    .filter(({ date }) => date >= from && date < today)
    .reduce((sum, day) => sum + day.bytes, 0);
  return bytes / daysBetween(from, today);
}

function daysBetween(from: string, to: string): number {
  return Math.max(1, Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000));
}

/** How much more the images may take before a rule deletes some, in bytes. */
function roomOf(
  keep: Settings["keep"],
  { bytes }: Holdings,
  { sizeBytes }: Space,
  bytesPerDay: number,
): number {
  if ((bytesOfDisk(keep.min_free, sizeBytes) ?? 0) > 0) return 0;
  const maxBytes = bytesIn(keep.max_bytes) ?? 0;
  const limits = [
    ...(maxBytes > 0 ? [maxBytes] : []),
    ...(keep.days > 0 ? [keep.days * bytesPerDay] : []),
  ];
  return Math.max(0, Math.min(Number.POSITIVE_INFINITY, ...limits) - bytes);
}
