/**
 * Detects that the disk stalls: a storing thread has had the same request in hand for long. Other
 * threads may continue meanwhile.
 *
 * @module
 */

import type { StoringThread, StoringThreads } from "../shared/storing-threads.ts";

/** The last observation of a thread. */
interface Seen {
  /** Number of slots it had taken. */
  taken: number;
  /** When it was first seen with the last of these; by `performance.now`, in milliseconds. */
  sinceMs: number;
}

/** Watches the storing threads of one hub. */
export class StallWatch {
  private readonly seen: readonly Seen[];

  constructor(private readonly threads: StoringThreads) {
    this.seen = threads.all.map(() => ({ taken: 0, sinceMs: 0 }));
  }

  /**
   * How long the oldest request in hand has been there, in milliseconds; 0 if there is none. A
   * request counts from the first look at it, so call this about once a second while there are any.
   */
  longestMs(nowMs: number): number {
    return Math.max(...this.threads.all.map((thread) => this.heldMs(thread, nowMs)));
  }

  /** The same for one thread. */
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
