/**
 * Decides what has to be deleted. It only decides: it reads no file and deletes none.
 *
 * Every decision is a list of what may go, in order, and how much of it has to. What is deleted in
 * the end is counted in real bytes, and stops as soon as enough is gone.
 *
 * @module
 */

import type { Reason } from "../catalog/record.ts";
import { daysAfter } from "../protocol/calendar.ts";
import { isUndated } from "./age.ts";
import type { Rules } from "./rules.ts";
import { sharesOf } from "./shares.ts";
import { bytesOf, type HeldDay, type Step, type Steps, Stock } from "./stock.ts";

/** Images of one day, or of some cameras of that day. */
export interface Candidate {
  readonly date: string;
  /** undefined: all cameras. */
  readonly cameras?: readonly string[];
}

/** One decision. */
export interface Deletion {
  readonly reason: Reason;
  /** In the order in which they go. */
  readonly candidates: readonly Candidate[];
  /** How much of them has to go, in bytes; infinite for all. */
  readonly bytes: number;
}

/** What the decision depends on. */
export interface Situation {
  /** All days, the earliest first. */
  readonly days: readonly HeldDay[];
  /** All images together, with the protected ones. */
  readonly totalBytes: number;
  /** The date from which ages count; see `age.ts`. */
  readonly reference: string;
  /** Days that no rule may touch. */
  readonly young: ReadonlySet<string>;
  /** Days that are not deleted for their age. */
  readonly spared: ReadonlySet<string>;
  /** Days that may not be deleted yet, because they have no copies. */
  readonly uncopied: ReadonlySet<string>;
  /** How much more has to be free on the disk, in bytes; 0 if there is enough. */
  readonly missingBytes: number;
  /** Whether only `min_free` deletes, because the other rules wait for a person. */
  readonly isUrgentOnly: boolean;
}

/** What has to be deleted, and what should be but may not. */
export interface Plan {
  readonly deletions: readonly Deletion[];
  /** What has to go for the rules of age and size, in bytes: all but `min_free`. */
  readonly bytes: number;
  /** What they would also delete, had it copies. */
  readonly waitingBytes: number;
  /** Days that would be deleted, had they copies. */
  readonly waiting: readonly string[];
  /** Rules that cannot be kept, because the rest may not be deleted. */
  readonly unmet: readonly Reason[];
  /**
   * What goes next if a deletion has brought less than it should. Nothing is in two plans, so what
   * cannot be deleted is not tried again.
   *
   * @param bytes how much more
   * @returns undefined if nothing else may go
   */
  readonly more: (deletion: Deletion, bytes: number) => Deletion | undefined;
  /** What goes for `min_free` if the other rules have freed less than they should. */
  readonly free: (bytes: number) => Deletion | undefined;
}

/** Decides. */
export function plan(rules: Rules, situation: Situation): Plan {
  return new Planner(rules, situation).plan();
}

class Planner {
  /** What is left after the decisions so far. */
  private readonly stock: Stock;
  private leftBytes: number;
  private readonly protectedBytes: number;
  /** What has to go by the decisions so far. */
  private bytes = 0;
  /** How each deletion goes on. */
  private readonly deletions = new Map<Deletion, Steps>();
  private readonly waiting = new Set<string>();
  private waitingBytes = 0;
  private readonly unmet: Reason[] = [];

  constructor(
    private readonly rules: Rules,
    private readonly situation: Situation,
  ) {
    this.stock = new Stock(situation.days, rules, (date) => this.mayGo(date));
    this.leftBytes = situation.totalBytes;
    const held = this.stock.cameras.reduce((sum, { bytes }) => sum + bytes, 0);
    this.protectedBytes = situation.totalBytes - held;
  }

  plan(): Plan {
    const { situation } = this;
    if (!situation.isUrgentOnly) this.byAgeAndSize();
    const { bytes } = this;
    const waitingBytes = Math.min(this.waitingBytes, this.uncopiedBytes());
    const missing = Math.max(0, situation.missingBytes - bytes);
    const steps = this.stepsTo(this.leftBytes - missing);
    if (missing > 0) this.take("min_free", missing, steps);
    return {
      deletions: [...this.deletions.keys()],
      bytes,
      waitingBytes,
      waiting: [...this.waiting].toSorted(),
      unmet: this.unmet,
      free: (bytesMore) => this.take("min_free", bytesMore, steps),
      more: (deletion, bytesMore) => {
        const next = this.deletions.get(deletion);
        return next && this.take(deletion.reason, bytesMore, next);
      },
    };
  }

  private byAgeAndSize(): void {
    const { rules } = this;
    this.byAge();
    if (rules.hasCameras) this.byCamera();
    const over = rules.maxBytes === 0 ? 0 : this.leftBytes - rules.maxBytes;
    if (over > 0) this.take("max_bytes", over, this.stepsTo(rules.maxBytes));
  }

  private byAge(): void {
    const { rules, situation } = this;
    const isOld = this.ageTest();
    const byAll: Candidate[] = [];
    const byOwn: Candidate[] = [];
    for (const { date, parts } of this.stock.days) {
      if (situation.spared.has(date) || isUndated(date)) continue;
      const due = parts.filter(({ camera }) => isOld(date, camera.limits.days ?? rules.days));
      if (due.length === 0) continue;
      if (!this.mayGo(date)) {
        if (this.waiting.has(date)) this.waitingBytes += bytesOf(due);
        continue;
      }
      const [own, others] = [true, false].map((isOwn) =>
        due
          .filter(({ camera: { limits } }) => (limits.days !== undefined) === isOwn)
          .map(({ camera }) => camera.name),
      ) as [string[], string[]];
      if (others.length === parts.length) byAll.push({ date });
      else if (others.length > 0) byAll.push({ date, cameras: others });
      if (own.length > 0) byOwn.push({ date, cameras: own });
      this.bytes += this.remove(due);
    }
    this.add("days", byAll, Number.POSITIVE_INFINITY);
    this.add("cameras.days", byOwn, Number.POSITIVE_INFINITY);
  }

  /** Tells whether a date is older than so many days. Each limit is reckoned once. */
  private ageTest(): (date: string, days: number) => boolean {
    const firsts = new Map<number, string>();
    return (date, days) => {
      if (days === 0) return false;
      const first = firsts.get(days) ?? daysAfter(this.situation.reference, -days);
      firsts.set(days, first);
      return date < first;
    };
  }

  private byCamera(): void {
    for (const camera of this.stock.cameras) {
      const { bytes, limits } = camera;
      if (limits.maxBytes > 0 && bytes > limits.maxBytes)
        this.take("cameras.max_bytes", bytes - limits.maxBytes, this.stock.stepsOf(camera));
    }
  }

  /** What goes, one after the other, until this is left for all cameras together, in bytes. */
  private stepsTo(all: number): Steps {
    const { stock } = this;
    if (!this.rules.hasCameras) return stock.wholeDays;
    const shares = sharesOf(stock.cameras, Math.max(0, all - this.protectedBytes));
    const overShare = stock.stepsOverShare(shares);
    return () => overShare() ?? stock.wholeDays();
  }

  /** Takes one step after the other until enough is gone. @returns undefined if there is none */
  private take(reason: Reason, bytes: number, next: Steps): Deletion | undefined {
    const candidates: { date: string; cameras?: string[] }[] = [];
    let rest = bytes;
    while (rest > 0) {
      const step = next();
      if (step === undefined) {
        if (!this.unmet.includes(reason)) this.unmet.push(reason);
        if (this.waiting.size > 0) this.noteWaiting(reason, rest);
        break;
      }
      const { date, camera, parts } = step;
      rest -= this.remove(parts);
      const last = candidates.at(-1);
      // The folder of a day is read once for all its cameras that follow each other.
      if (last?.date === date && camera !== undefined) last.cameras?.push(camera);
      else candidates.push({ date, ...(camera !== undefined && { cameras: [camera] }) });
    }
    this.bytes += bytes - Math.max(0, rest);
    return this.add(reason, candidates, bytes, next);
  }

  /** Bytes over the limit of all are also over those of cameras, so they count once. */
  private noteWaiting(reason: Reason, bytes: number): void {
    this.waitingBytes =
      reason === "max_bytes" ? Math.max(this.waitingBytes, bytes) : this.waitingBytes + bytes;
  }

  /** Whether a day may go. Notes it if only its copy is missing. */
  private mayGo(date: string): boolean {
    if (this.situation.young.has(date)) return false;
    if (!this.situation.uncopied.has(date)) return true;
    this.waiting.add(date);
    return false;
  }

  private uncopiedBytes(): number {
    const { young, uncopied } = this.situation;
    return this.stock.days
      .filter(({ date }) => uncopied.has(date) && !young.has(date))
      .reduce((sum, { parts }) => sum + bytesOf(parts), 0);
  }

  private remove(parts: Step["parts"]): number {
    const bytes = this.stock.take(parts);
    this.leftBytes -= bytes;
    return bytes;
  }

  private add(
    reason: Reason,
    candidates: readonly Candidate[],
    bytes: number,
    next: Steps = () => undefined,
  ): Deletion | undefined {
    if (candidates.length === 0) return undefined;
    const deletion = { reason, candidates, bytes };
    this.deletions.set(deletion, next);
    return deletion;
  }
}
