/**
 * Sees that the disk stalls: that a thread that stores has had the same request in hand for long.
 * Others may go on meanwhile.
 *
 * @module
 */

import type { StoringThread, StoringThreads } from "../shared/storing-threads.ts";

/** What a thread was seen with. */
interface Seen {
  /** How many slots it had taken. */
  taken: number;
  /** When it was seen with the last of these first, in milliseconds of `performance.now`. */
  sinceMs: number;
}

/** Watches the threads that store of one hub. */
export class StallWatch {
  private readonly seen: readonly Seen[];

  constructor(private readonly threads: StoringThreads) {
    this.seen = threads.all.map(() => ({ taken: 0, sinceMs: 0 }));
  }

  /**
   * For how long the request that a thread has had in hand the longest has been there, in
   * milliseconds; 0 where none has any. A request counts from the first look at it, so this is to
   * be called about once a second while there are any.
   */
  longestMs(nowMs: number): number {
    return Math.max(...this.threads.all.map((thread) => this.heldMs(thread, nowMs)));
  }

  /** The same for one of the threads. */
  heldMs(thread: StoringThread, nowMs: number): number {
    const seen = this.seen[thread.number]!;
    // In this order; see `taken`.
    const isIdle = thread.inHand < 0;
    const { taken } = thread;
    if (isIdle || taken !== seen.taken) {
      seen.taken = taken;
      seen.sinceMs = nowMs;
    }
    return nowMs - seen.sinceMs;
  }
}
