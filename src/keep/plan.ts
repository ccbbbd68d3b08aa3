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

/** Images of one day, or of one camera of that day. */
export interface Candidate {
  readonly date: string;
  /** undefined: all cameras. */
  readonly camera?: string;
}

/** One decision. */
export interface Deletion {
  readonly reason: Reason;
  /** In the order in which they go. */
  readonly candidates: readonly Candidate[];
  /** How much of them has to go, in bytes; infinite for all. */
  readonly bytes: number;
}

/** What may be deleted of a day: all but protected images. */
interface HeldDay {
  readonly date: string;
  readonly cameras: readonly { readonly name: string; readonly bytes: number }[];
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
  /** Days that may not be deleted yet, because they are not archived. */
  readonly unarchived: ReadonlySet<string>;
  /** How much more has to be free on the disk, in bytes; 0 if there is enough. */
  readonly missingBytes: number;
}

/** What has to be deleted, and what should be but may not. */
export interface Plan {
  readonly deletions: readonly Deletion[];
  /** What the rules for age and size delete, in bytes: all but `min_free`. */
  readonly bytes: number;
  /** Days that would be deleted, were they archived. */
  readonly waiting: readonly string[];
  /** Rules that cannot be kept, because the rest may not be deleted. */
  readonly unmet: readonly Reason[];
}

/** Decides. */
export function plan(rules: Rules, situation: Situation): Plan {
  return new Planner(rules, situation).plan();
}

class Planner {
  /** What is left after the decisions so far: bytes by camera of each day, in the order they go. */
  private readonly left: Map<string, Map<string, number>>;
  private leftBytes: number;
  /** The same by camera, over all days. */
  private readonly held = new Map<string, number>();
  private readonly deletions: Deletion[] = [];
  private readonly waiting = new Set<string>();
  private readonly unmet: Reason[] = [];

  constructor(
    private readonly rules: Rules,
    private readonly situation: Situation,
  ) {
    // What a wrong clock has dated is the last to go: it may be of last night.
    const days = Map.groupBy(situation.days, ({ date }) => isUndated(date));
    this.left = new Map(
      [...(days.get(false) ?? []), ...(days.get(true) ?? [])].map(({ date, cameras }) => [
        date,
        new Map(cameras.map(({ name, bytes }) => [name, bytes])),
      ]),
    );
    this.leftBytes = situation.totalBytes;
    for (const cameras of this.left.values()) {
      for (const [camera, bytes] of cameras)
        this.held.set(camera, (this.held.get(camera) ?? 0) + bytes);
    }
  }

  plan(): Plan {
    const { rules, situation } = this;
    this.byAge();
    if (rules.hasCameras) this.byCamera();
    if (rules.maxBytes > 0) this.bySize("max_bytes", this.leftBytes - rules.maxBytes);
    const bytes = situation.totalBytes - this.leftBytes;
    this.bySize("min_free", situation.missingBytes - bytes);
    return {
      deletions: this.deletions,
      bytes,
      waiting: [...this.waiting].toSorted(),
      unmet: this.unmet,
    };
  }

  private byAge(): void {
    const { rules, situation } = this;
    const isOld = (date: string, days: number): boolean =>
      days > 0 &&
      date < daysAfter(situation.reference, -days) &&
      !situation.spared.has(date) &&
      !isUndated(date);
    const whole: Candidate[] = [];
    const parts: Candidate[] = [];
    for (const [date, cameras] of this.left) {
      const due = [...cameras.keys()].filter((camera) =>
        isOld(date, rules.limitsOf(camera).days ?? rules.days),
      );
      if (due.length === 0 || !this.isFree(date)) continue;
      const areAll = due.length === cameras.size && isOld(date, rules.days);
      if (areAll) whole.push({ date });
      else parts.push(...due.map((camera) => ({ date, camera })));
      for (const camera of due) this.remove(date, camera);
    }
    this.add("days", whole, Number.POSITIVE_INFINITY);
    this.add("cameras.days", parts, Number.POSITIVE_INFINITY);
  }

  private byCamera(): void {
    for (const [camera, bytes] of this.held) {
      const { maxBytes } = this.rules.limitsOf(camera);
      if (maxBytes === 0 || bytes <= maxBytes) continue;
      this.take("cameras.max_bytes", bytes - maxBytes, () => this.oldestOf(camera));
    }
  }

  private bySize(reason: Reason, bytes: number): void {
    if (bytes <= 0) return;
    if (!this.rules.hasCameras) return this.take(reason, bytes, () => this.oldest());
    const shares = this.shares(reason === "max_bytes" ? this.rules.maxBytes : undefined, bytes);
    this.take(reason, bytes, () => this.oldestOverShare(shares) ?? this.oldest());
  }

  /** Takes one candidate after the other until enough is gone. */
  private take(reason: Reason, bytes: number, next: () => Candidate | undefined): void {
    const candidates: Candidate[] = [];
    let rest = bytes;
    while (rest > 0) {
      const candidate = next();
      if (candidate === undefined) {
        if (!this.unmet.includes(reason)) this.unmet.push(reason);
        break;
      }
      candidates.push(candidate);
      rest -= this.remove(candidate.date, candidate.camera);
    }
    this.add(reason, candidates, bytes);
  }

  /** The oldest day that may go. */
  private oldest(): Candidate | undefined {
    for (const [date, cameras] of this.left)
      if (cameras.size > 0 && this.isFree(date)) return { date };
    return undefined;
  }

  /** The oldest day of a camera that may go. */
  private oldestOf(camera: string): Candidate | undefined {
    for (const [date, cameras] of this.left)
      if (cameras.has(camera) && this.isFree(date)) return { date, camera };
    return undefined;
  }

  private oldestOverShare(shares: ReadonlyMap<string, number>): Candidate | undefined {
    const over = [...this.held]
      .map(([camera, bytes]) => ({ camera, part: bytes / (shares.get(camera) ?? bytes) }))
      .filter(({ part }) => part > 1)
      .toSorted((a, b) => b.part - a.part);
    for (const { camera } of over) {
      const found = this.oldestOf(camera);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * The share of each camera: its own limit, else an equal part of the rest.
   *
   * @param allBytes for all cameras; undefined for what is left after the deletion
   */
  private shares(allBytes: number | undefined, bytes: number): Map<string, number> {
    const limits = new Map(
      [...this.held.keys()].map((camera) => [camera, this.rules.limitsOf(camera).maxBytes]),
    );
    const own = [...limits.values()].reduce((sum, limit) => sum + limit, 0);
    const others = [...limits.values()].filter((limit) => limit === 0).length;
    const rest = Math.max(0, (allBytes ?? this.leftBytes - bytes) - own) / Math.max(1, others);
    return new Map([...limits].map(([camera, limit]) => [camera, limit || Math.max(1, rest)]));
  }

  /** Whether a day may go. Notes it if only its copy is missing. */
  private isFree(date: string): boolean {
    if (this.situation.young.has(date)) return false;
    if (!this.situation.unarchived.has(date)) return true;
    this.waiting.add(date);
    return false;
  }

  /** Takes a day, or a camera of it, as deleted. @returns its bytes */
  private remove(date: string, camera?: string): number {
    const cameras = this.left.get(date)!;
    const gone = camera === undefined ? [...cameras.keys()] : [camera];
    let bytes = 0;
    for (const name of gone) {
      const own = cameras.get(name) ?? 0;
      bytes += own;
      this.held.set(name, this.held.get(name)! - own);
      cameras.delete(name);
    }
    this.leftBytes -= bytes;
    return bytes;
  }

  private add(reason: Reason, candidates: readonly Candidate[], bytes: number): void {
    if (candidates.length > 0) this.deletions.push({ reason, candidates, bytes });
  }
}
