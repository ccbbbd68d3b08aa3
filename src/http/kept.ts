/**
 * What is kept, as the main thread knows it from the rounds of the keeper.
 *
 * @module
 */

import { counted } from "../log/amounts.ts";
import type { KeepReport } from "../shared/messages.ts";
import { RoundWatch } from "./round-watch.ts";

/** Deletions since the start of the hub. */
export interface PrunedTotal {
  /** Images, or event logs. */
  readonly count: number;
  readonly bytes: number;
}

/** From when on a disk that fills is worth a word, in days. */
const SOON_DAYS = 30;

/** The same for a warning. */
export const URGENT_DAYS = 14;

/** Why it fills although there are rules. */
const BLOCKED =
  ": the rules may not delete enough, as images are too young, protected or not archived, or the rules wait for a person";

/** The latest report, and the sum of all deletions. */
export class Kept {
  /** undefined until the first round has ended. */
  latest: KeepReport | undefined;
  /** By the name of the setting. */
  readonly pruned = new Map<string, PrunedTotal>();
  readonly watch = new RoundWatch();

  /** Why the last round has failed; undefined if it has not. */
  private failure: string | undefined;

  /** A round has failed. */
  fail(reason: string): void {
    this.failure = reason;
  }

  /** Takes in a report. */
  add(report: KeepReport): void {
    this.latest = report;
    this.failure = undefined;
    for (const { reason, count, bytes } of report.pruned) {
      const sum = this.pruned.get(reason) ?? { count: 0, bytes: 0 };
      this.pruned.set(reason, { count: sum.count + count, bytes: sum.bytes + bytes });
    }
  }

  /** That a round hangs; undefined if none does. */
  get silence(): string | undefined {
    if (!this.watch.isSilent) return undefined;
    return "Nothing can be deleted at the moment: a disk does not respond, that of the images or of the archive";
  }

  /** What a person should know about the rules and the disk; one line each. */
  get notices(): string[] {
    const { latest, failure } = this;
    const full = this.fullWithin(SOON_DAYS);
    return [
      ...(this.silence === undefined ? [] : [this.silence]),
      ...(failure === undefined ? [] : [`Cannot keep order: ${failure}`]),
      ...(full === undefined ? [] : [full]),
      ...(latest?.problems ?? []),
    ];
  }

  /**
   * @returns a sentence if the disk will be full in fewer days than these; else undefined
   */
  fullWithin(days: number): string | undefined {
    const { fullInDays, outlook } = this.latest ?? {};
    if (fullInDays === undefined || fullInDays >= days) return undefined;
    const why = outlook === "blocked" ? BLOCKED : "; see keep.min_free";
    return `The disk will be full in ${inWords(fullInDays)} at this week's rate${why}`;
  }
}

/** A number of days in words, such as `6 days`, `5 hours` or `10 minutes`. */
export function inWords(days: number): string {
  if (days >= 2) return counted(Math.floor(days), "day");
  const hours = days * 24;
  if (hours * 60 < 1) return "less than a minute";
  return hours >= 2
    ? counted(Math.floor(hours), "hour")
    : counted(Math.floor(hours * 60), "minute");
}
