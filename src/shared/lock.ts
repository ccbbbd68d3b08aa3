/**
 * A lock that threads share, for the few things that writers have in common.
 *
 * @module
 */

import { Futex } from "../os/wait.ts";

const FREE = 0;
const HELD = 1;
/** The lock is held, and somebody may be waiting. */
const CONTENDED = 2;

/**
 * A mutex in shared memory (the third one in Drepper, "Futexes Are Tricky"). It is not reentrant.
 */
export class SharedLock {
  private readonly futex: Futex;

  /** @param index of the integer for the lock; 0 means free */
  constructor(
    private readonly integers: Int32Array<SharedArrayBuffer>,
    private readonly index: number,
  ) {
    this.futex = new Futex(integers, index);
  }

  /** Runs `action` while no other thread runs one under this lock. */
  hold<T>(action: () => T): T {
    this.acquire();
    try {
      return action();
    } finally {
      this.release();
    }
  }

  /**
   * Waits until no other thread holds the lock. `release` must follow. For each image, this saves
   * the function that {@link hold} takes.
   */
  acquire(): void {
    const { integers, index } = this;
    if (Atomics.compareExchange(integers, index, FREE, HELD) === FREE) return;
    while (Atomics.exchange(integers, index, CONTENDED) !== FREE) this.futex.wait(CONTENDED);
  }

  /** Releases the lock. */
  release(): void {
    const { integers, index } = this;
    if (Atomics.exchange(integers, index, FREE) === CONTENDED) this.futex.wake(1);
  }
}
