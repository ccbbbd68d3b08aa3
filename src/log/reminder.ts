/**
 * Says what stays wrong once a day, and not each time somebody finds it wrong.
 *
 * @module
 */

import type { Log } from "./log.ts";

const DAY_MS = 24 * 3_600_000;

/** Warnings of one kind of trouble. */
export class Reminder {
  private readonly saidMs = new Map<string, number>();

  constructor(private readonly log: Pick<Log, "warn">) {}

  /** Texts that differ in their numbers alone count as the same. @returns whether it was said */
  warn(text: string): boolean {
    const what = text.replaceAll(/\d[\d.,]*/g, "#");
    const now = performance.now();
    if (now - (this.saidMs.get(what) ?? Number.NEGATIVE_INFINITY) < DAY_MS) return false;
    this.saidMs.set(what, now);
    this.log.warn(text);
    return true;
  }

  /** All is well: if anything of it comes again, it is said at once. */
  clear(): void {
    this.saidMs.clear();
  }
}
