/**
 * What a round is to delete, by what is held: the rules without those that can only be a mistake,
 * and not more than half of all at once unless a person has said so. Only a disk that is nearly
 * full does not wait for that.
 *
 * @module
 */

import { bytesOfDisk } from "../config/quantity.ts";
import type { Settings } from "../config/schema.ts";
import { counted, size } from "../log/amounts.ts";
import { daysAfter } from "../protocol/calendar.ts";
import type { SeenDays } from "../shared/messages.ts";
import { referenceDate, youngDays } from "./age.ts";
import type { Copies } from "./copies.ts";
import type { Holdings } from "./holdings.ts";
import { type Plan, plan } from "./plan.ts";
import { Rules } from "./rules.ts";
import { saneRules } from "./sanity.ts";
import { missingBytes, type Space } from "./space.ts";

/**
 * With less than this free, cameras may have to wait, in bytes. This, or this part of the disk, is
 * kept free without asking a person.
 */
export const FULL_BYTES = 16e6;
const URGENT_PART = 0.05;

/** What a decision depends on, besides what is held. */
export interface DecisionParts {
  readonly settings: Pick<Settings, "keep">;
  readonly seen: SeenDays;
  /** Given if only what has copies may be deleted. */
  readonly copies: Pick<Copies, "dates"> | undefined;
  /** Whether to delete more than half of all images. */
  readonly isForced: boolean;
  /** Whether deleting has just freed nothing, so that `min_free` waits. */
  readonly isFutile: boolean;
}

/** What was decided. */
export interface Decision {
  readonly plan: Plan;
  /**
   * The settings that are in force: without the limits that can only be a mistake, and with no more
   * free space than may be made without a person.
   */
  readonly keep: Settings["keep"];
  readonly problems: readonly string[];
  readonly needsForce: boolean;
  /** Whether the rules for age and sizes wait for a person. */
  readonly areWaiting: boolean;
}

/** Decides. */
export function decide(parts: DecisionParts, held: Holdings, space: Space): Decision {
  const { settings, seen, isForced, isFutile } = parts;
  const sane = saneRules(settings.keep, held, space, seen.today);
  const problems = [...sane.problems];
  let { keep } = sane;
  const planFor = (isUrgentOnly: boolean): Plan =>
    planWith(parts, isFutile ? { ...keep, min_free: 0 } : keep, held, space, isUrgentOnly);
  const isMost = (bytes: number): boolean => !isForced && bytes * 2 > held.freeBytes;
  let found = planFor(false);
  const wanted = found.bytes + found.waitingBytes;
  const areWaiting = isMost(wanted);
  if (areWaiting) {
    problems.push(mostMessage(wanted, held.freeBytes, keep));
    found = planFor(true);
  }
  const missing = isFutile ? 0 : missingBytes(keep.min_free, space, meanBytes(held));
  const missingThen = missing - (areWaiting ? 0 : found.bytes);
  const urgent = Math.max(FULL_BYTES, space.sizeBytes * URGENT_PART);
  const isTooMuch =
    isMost(missingThen) && urgent < (bytesOfDisk(keep.min_free, space.sizeBytes) ?? 0);
  if (isTooMuch) {
    const part = percentOf(Math.min(missingThen, held.freeBytes), held.freeBytes);
    problems.push(
      `keep.min_free would delete ${part} % of all unprotected images at once: until you run ` +
        `imagehub prune --force, or lower it, it keeps only ${size(urgent)} free`,
    );
    keep = { ...keep, min_free: urgent };
    found = planFor(areWaiting);
  }
  return { keep, plan: found, problems, needsForce: areWaiting || isTooMuch, areWaiting };
}

function planWith(
  { seen, copies }: DecisionParts,
  keep: Settings["keep"],
  held: Holdings,
  space: Space,
  isUrgentOnly: boolean,
): Plan {
  const dates = datesWithImages(held);
  const uncopied = copies === undefined ? [] : dates.filter((date) => !copies.dates.has(date));
  return plan(new Rules(keep), {
    days: held.days.map(({ free }) => free),
    totalBytes: held.bytes,
    reference: referenceDate(seen, dates),
    young: youngDays(seen, dates, keep.min_days),
    spared: new Set(seen.storedLastDay),
    uncopied: new Set(uncopied),
    missingBytes: missingBytes(keep.min_free, space, meanBytes(held)),
    isUrgentOnly,
  });
}

/**
 * How much of what is held may be deleted now, in bytes, and how many of the latest days may not
 * be yet: infinitely many if the copies, which they wait for, do not get on.
 */
export function deletable(
  {
    seen,
    copies,
  }: Pick<DecisionParts, "seen"> & {
    readonly copies: Pick<Copies, "dates" | "problem" | "afterDays"> | undefined;
  },
  keep: Settings["keep"],
  held: Holdings,
): { readonly deletableBytes: number; readonly heldDays: number } {
  const dates = datesWithImages(held);
  const young = youngDays(seen, dates, keep.min_days);
  const mayGo = (date: string): boolean => !young.has(date) && copies?.dates.has(date) !== false;
  const deletableBytes = held.days
    .filter(({ date }) => mayGo(date))
    .reduce((sum, { free }) => sum + free.bytes, 0);
  if (copies === undefined) return { deletableBytes, heldDays: keep.min_days };
  const { afterDays, problem } = copies;
  // The oldest is copied first. This day has been due for a day.
  const due = dates.findLast((date) => date < daysAfter(seen.today, -afterDays));
  const isBehind = problem !== undefined || (due !== undefined && !copies.dates.has(due));
  return {
    deletableBytes,
    heldDays: isBehind ? Number.POSITIVE_INFINITY : Math.max(keep.min_days, afterDays),
  };
}

/** Of an image. */
export function meanBytes({ bytes, images }: Holdings): number {
  return bytes / Math.max(1, images);
}

/** A folder without images says nothing about the days that there are. */
export function datesWithImages({ days }: Holdings): string[] {
  return days.filter(({ images }) => images > 0).map(({ date }) => date);
}

/** What a person can do about a deletion that is too large. */
export const FORCE = "nothing is deleted until you run imagehub prune --force, or change the rules";

function mostMessage(bytes: number, all: number, { min_free: minFree }: Settings["keep"]): string {
  const until =
    Number(minFree) === 0
      ? FORCE
      : "until you run imagehub prune --force, or change the rules, only keep.min_free deletes";
  return `The rules would delete ${percentOf(bytes, all)} % of all unprotected images at once: ${until}`;
}

function percentOf(bytes: number, all: number): number {
  return Math.floor((bytes / all) * 100);
}

/** Why a rule cannot be kept. */
export interface Unmet {
  readonly rule: string;
  readonly minDays: number;
  /** How many days have no copies, what they need, and why nobody can be asked for them. */
  readonly waiting: number;
  readonly needs: string | undefined;
  readonly problem: string | undefined;
  /** Images that have other names, so that deleting them frees nothing. */
  readonly linked: number;
  readonly hasFailed: boolean;
  /** What else fills the disk. */
  readonly others: string;
}

/** Says it. */
export function unmetMessage(unmet: Unmet): string {
  const { rule, minDays, waiting, needs, problem, linked, hasFailed, others } = unmet;
  const young =
    minDays > 0 ? `too young (keep.min_days is ${minDays})` : "too young (less than two hours)";
  const why =
    waiting > 0
      ? `${counted(waiting, "day")} must be ${needs} first` +
        (problem === undefined ? "" : `: ${problem}`)
      : linked > 0
        ? `${counted(linked, "image")} have other hard links, and deleting them frees nothing`
        : hasFailed
          ? `the rest is protected, ${young}, or cannot be deleted${others}`
          : `the rest is protected, or ${young}${others}`;
  return `${rule} cannot be kept: ${why}`;
}

/** That deleting does not help. */
export const FUTILE =
  "keep.min_free cannot be kept: deleting frees nothing on this disk. The file system keeps snapshots, or a program has the images open";

/** What else fills the disk, if it is most of it: deleting images does not help much then. */
export function otherFiles({ bytes }: Holdings, { sizeBytes, freeBytes }: Space): string {
  const others = sizeBytes - freeBytes - bytes;
  return others * 2 > sizeBytes ? `. Other files take ${size(others)} of this disk` : "";
}
