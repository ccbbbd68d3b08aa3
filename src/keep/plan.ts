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

/** What may be deleted of a day: all but protected images. */
interface HeldDay {
  readonly date: string;
  readonly cameras: readonly { readonly name: string; readonly bytes: number }[];
}

/** A day, or one camera of it: a step of a decision. */
interface Step {
  readonly date: string;
  readonly camera?: string;
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
  /** What has to go for the rules of age and size, in bytes: all but `min_free`. */
  readonly bytes: number;
  /** What they would also delete, were it archived. */
  readonly waitingBytes: number;
  /** Days that would be deleted, were they archived. */
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
  /** What is left after the decisions so far: bytes by camera of each day, in the order they go. */
  private readonly left: Map<string, Map<string, number>>;
  private leftBytes: number;
  /** What has to go by the decisions so far. */
  private bytes = 0;
  /** The same by camera, over all days. */
  private readonly held = new Map<string, number>();
  /** What may go, the oldest first: whole days, and days of each camera. */
  private readonly days = this.oldest();
  private readonly daysOf = new Map<string, Generator<Step>>();
  /** How each deletion goes on. */
  private readonly deletions = new Map<Deletion, () => Step | undefined>();
  private readonly waiting = new Set<string>();
  private waitingBytes = 0;
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
    const dates = new Map<string, string[]>();
    for (const [date, cameras] of this.left) {
      for (const [camera, bytes] of cameras) {
        this.held.set(camera, (this.held.get(camera) ?? 0) + bytes);
        if (!rules.hasCameras) continue;
        const own = dates.get(camera);
        if (own === undefined) dates.set(camera, [date]);
        else own.push(date);
      }
    }
    for (const [camera, own] of dates) this.daysOf.set(camera, this.oldestOf(camera, own));
  }

  plan(): Plan {
    const { rules, situation } = this;
    this.byAge();
    if (rules.hasCameras) this.byCamera();
    const over = rules.maxBytes === 0 ? 0 : this.leftBytes - rules.maxBytes;
    if (over > 0) this.take("max_bytes", over, this.stepsTo(rules.maxBytes));
    const { bytes } = this;
    const waitingBytes = Math.min(this.waitingBytes, this.unarchivedBytes());
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

  private byAge(): void {
    const { rules, situation } = this;
    const isOld = this.ageTest();
    const whole: Candidate[] = [];
    const parts: Candidate[] = [];
    for (const [date, cameras] of this.left) {
      if (situation.spared.has(date) || isUndated(date)) continue;
      const due = [...cameras.keys()].filter((camera) =>
        isOld(date, rules.limitsOf(camera).days ?? rules.days),
      );
      if (due.length === 0) continue;
      if (!this.isFree(date)) {
        if (this.waiting.has(date))
          this.waitingBytes += due.reduce((sum, camera) => sum + cameras.get(camera)!, 0);
        continue;
      }
      const areAll = due.length === cameras.size && isOld(date, rules.days);
      if (areAll) whole.push({ date });
      else parts.push({ date, cameras: due });
      for (const camera of due) this.bytes += this.remove({ date, camera });
    }
    this.add("days", whole, Number.POSITIVE_INFINITY);
    this.add("cameras.days", parts, Number.POSITIVE_INFINITY);
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
    for (const [camera, bytes] of this.held) {
      const { maxBytes } = this.rules.limitsOf(camera);
      if (maxBytes === 0 || bytes <= maxBytes) continue;
      this.take("cameras.max_bytes", bytes - maxBytes, () => nextOf(this.daysOf.get(camera)));
    }
  }

  /** What goes, one after the other, until this is left for all cameras together, in bytes. */
  private stepsTo(all: number): () => Step | undefined {
    const oldest = (): Step | undefined => nextOf(this.days);
    if (!this.rules.hasCameras) return oldest;
    const overShare = this.overShare(sharesOf(this.rules, this.held, all));
    return () => nextOf(overShare) ?? oldest();
  }

  /** Takes one step after the other until enough is gone. @returns undefined if there is none */
  private take(reason: Reason, bytes: number, next: () => Step | undefined): Deletion | undefined {
    const candidates: { date: string; cameras?: string[] }[] = [];
    let rest = bytes;
    while (rest > 0) {
      const step = next();
      if (step === undefined) {
        if (!this.unmet.includes(reason)) this.unmet.push(reason);
        if (this.waiting.size > 0) this.waitingBytes += rest;
        break;
      }
      rest -= this.remove(step);
      const { date, camera } = step;
      const last = candidates.at(-1);
      // The folder of a day is read once for all its cameras that follow each other.
      if (last?.date === date && camera !== undefined) last.cameras?.push(camera);
      else candidates.push({ date, ...(camera !== undefined && { cameras: [camera] }) });
    }
    this.bytes += bytes - Math.max(0, rest);
    return this.add(reason, candidates, bytes, next);
  }

  private *oldest(): Generator<Step> {
    for (const [date, cameras] of this.left)
      if (cameras.size > 0 && this.isFree(date)) yield { date };
  }

  private *oldestOf(camera: string, dates: readonly string[]): Generator<Step> {
    for (const date of dates)
      if (this.left.get(date)!.has(camera) && this.isFree(date)) yield { date, camera };
  }

  /** The oldest day of the camera that is furthest over its share, as long as one is. */
  private *overShare(shares: ReadonlyMap<string, number>): Generator<Step> {
    const partOf = (camera: string): number => this.held.get(camera)! / shares.get(camera)!;
    // The last one is the next; of equals, that with the first name.
    const over = [...this.held.keys()]
      .map((camera, place) => ({ camera, place, part: partOf(camera) }))
      .filter(({ part }) => part > 1)
      .toSorted((a, b) => a.part - b.part || b.place - a.place);
    for (let top = over.pop(); top !== undefined; top = over.pop()) {
      const step = nextOf(this.daysOf.get(top.camera));
      if (step === undefined) continue;
      yield step;
      // By now the step is taken, so its camera has less.
      top.part = partOf(top.camera);
      if (top.part <= 1) continue;
      let [low, high] = [0, over.length];
      while (low < high) {
        const middle = (low + high) >>> 1;
        const { part, place } = over[middle]!;
        if (part < top.part || (part === top.part && place > top.place)) low = middle + 1;
        else high = middle;
      }
      over.splice(low, 0, top);
    }
  }

  /** Whether a day may go. Notes it if only its copy is missing. */
  private isFree(date: string): boolean {
    if (this.situation.young.has(date)) return false;
    if (!this.situation.unarchived.has(date)) return true;
    this.waiting.add(date);
    return false;
  }

  private unarchivedBytes(): number {
    const { young, unarchived } = this.situation;
    let bytes = 0;
    for (const [date, cameras] of this.left)
      if (unarchived.has(date) && !young.has(date))
        for (const own of cameras.values()) bytes += own;
    return bytes;
  }

  /** Takes a day, or a camera of it, as deleted. @returns its bytes */
  private remove({ date, camera }: Step): number {
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

  private add(
    reason: Reason,
    candidates: readonly Candidate[],
    bytes: number,
    next: () => Step | undefined = () => undefined,
  ): Deletion | undefined {
    if (candidates.length === 0) return undefined;
    const deletion = { reason, candidates, bytes };
    this.deletions.set(deletion, next);
    return deletion;
  }
}

function nextOf(steps: Generator<Step> | undefined): Step | undefined {
  const result = steps?.next();
  return result === undefined || result.done === true ? undefined : result.value;
}
