/**
 * When the disk will be full, by what the rules may really delete. It is a rough reckoning: each
 * camera goes on as in the last week.
 *
 * @module
 */

import { bytesOfDisk } from "../config/quantity.ts";
import type { Settings } from "../config/schema.ts";
import { daysAfter } from "../protocol/calendar.ts";
import type { Outlook } from "../shared/messages.ts";
import type { Holdings } from "./holdings.ts";
import { Rules } from "./rules.ts";
import type { Space } from "./space.ts";

/** The rate is that of the latest week. */
const WEEK = 7;

/** A day is deleted a day later than the clock says (`age.ts`), and today counts as a whole day. */
const LATER = 2;

/** What a forecast depends on. */
export interface Prospects {
  /** The rules that are in force. */
  readonly keep: Settings["keep"];
  readonly holdings: Holdings;
  readonly space: Space;
  /** The local date. */
  readonly today: string;
  /** Whether the rules for age and sizes wait for a person. */
  readonly areWaiting: boolean;
  /** What the rules may delete now, in bytes. */
  readonly deletableBytes: number;
  /** How many of the latest days may not be deleted yet; infinite if no more days may ever be. */
  readonly heldDays: number;
}

/** What is to be expected. */
export interface Forecast {
  /** What a day has taken in the last week; 0 if no day is over yet. */
  readonly bytesPerDay: number;
  readonly outlook: Outlook;
  /** Days until the disk is full; undefined if it will not be, or nothing is known. */
  readonly fullInDays: number | undefined;
}

/** Looks ahead at the rate of the last week. */
export function forecast(prospects: Prospects): Forecast {
  const { holdings, space, today, deletableBytes, heldDays } = prospects;
  const rates = ratesPerDay(holdings, today);
  const bytesPerDay = sum([...rates.values()]);
  if (bytesPerDay === 0) return { bytesPerDay, outlook: "unknown", fullInDays: undefined };
  const protectedBytes = holdings.bytes - holdings.freeBytes;
  const capacity = holdings.bytes + space.freeBytes;
  const wanted = wantedBytes(prospects, rates);
  if (Math.max(wanted, heldDays * bytesPerDay + protectedBytes) < capacity)
    return { bytesPerDay, outlook: "never", fullInDays: undefined };
  const isBlocked = wanted < capacity;
  const room = space.freeBytes + (isBlocked ? deletableBytes : 0);
  return {
    bytesPerDay,
    outlook: isBlocked ? "blocked" : "filling",
    fullInDays: room / bytesPerDay,
  };
}

/** Bytes that each camera has taken a day in the last week. Days without images count. */
function ratesPerDay({ days }: Holdings, today: string): Map<string, number> {
  const rates = new Map<string, number>();
  const first = days[0]?.date;
  if (first === undefined || first >= today) return rates;
  const weekAgo = daysAfter(today, -WEEK);
  const from = first > weekAgo ? first : weekAgo;
  const count = Math.max(1, Math.round((Date.parse(today) - Date.parse(from)) / 86_400_000));
  for (const { cameras } of days.filter(({ date }) => date >= from && date < today))
    for (const { name, bytes } of cameras) rates.set(name, (rates.get(name) ?? 0) + bytes / count);
  return rates;
}

/** How much the images may take before a rule wants to delete some, in bytes. */
function wantedBytes(
  { keep, holdings, space, areWaiting }: Prospects,
  rates: ReadonlyMap<string, number>,
): number {
  const minFree = bytesOfDisk(keep.min_free, space.sizeBytes) ?? 0;
  const byFree = minFree > 0 ? holdings.bytes + space.freeBytes - minFree : NONE;
  if (areWaiting) return byFree;
  const rules = new Rules(keep);
  const byCamera = Array.from(rates, ([name, rate]) => {
    const { days = rules.days, maxBytes } = rules.limitsOf(name);
    return Math.min(days > 0 ? (days + LATER) * rate : NONE, maxBytes > 0 ? maxBytes : NONE);
  });
  return Math.min(byFree, rules.maxBytes > 0 ? rules.maxBytes : NONE, sum(byCamera));
}

/** No limit. */
const NONE = Number.POSITIVE_INFINITY;

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
