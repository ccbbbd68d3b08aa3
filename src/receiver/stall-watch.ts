/**
 * Sees that the disk stalls: that a writer has had the same request in hand for long. Others may go
 * on meanwhile.
 *
 * @module
 */

import { Integer, type Shared } from "../shared/memory.ts";

/** What a writer was seen with. */
interface Seen {
  /** How many slots it had taken. */
  taken: number;
  /** When it was seen with the last of these first, in milliseconds of `performance.now`. */
  sinceMs: number;
}

/** Watches the writers of one hub. */
export class StallWatch {
  private readonly seen: readonly Seen[];

  constructor(
    private readonly shared: Shared,
    writers: number,
  ) {
    this.seen = Array.from({ length: writers }, () => ({ taken: 0, sinceMs: 0 }));
  }

  /**
   * For how long the request that a writer has had in hand the longest has been there, in
   * milliseconds; 0 where none has any. A request counts from the first look at it, so this is to
   * be called about once a second while there are any.
   */
  longestMs(nowMs: number): number {
    return Math.max(...this.seen.keys().map((writer) => this.heldMs(writer, nowMs)));
  }

  /** The same for one writer, by its number. */
  heldMs(writer: number, nowMs: number): number {
    const { integers } = this.shared;
    const seen = this.seen[writer]!;
    // In this order, the other way round than the writer changes them: who sees its new slot then
    // sees that it was taken.
    const isIdle = Atomics.load(integers, Integer.inHand + writer) === 0;
    const taken = integers[Integer.taken + writer]!;
    if (isIdle || taken !== seen.taken) {
      seen.taken = taken;
      seen.sinceMs = nowMs;
    }
    return nowMs - seen.sinceMs;
  }
}
