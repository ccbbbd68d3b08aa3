/**
 * Tells the flushers that something was written, and that they must end.
 *
 * @module
 */

import { FLUSHERS_MAX } from "../limits.ts";
import { Integer, type Shared } from "./memory.ts";

/** A bit for each flusher. */
const ALL = 2 ** FLUSHERS_MAX - 1;

/** The flushers of one hub, as any thread sees them. Each thread has its own object. */
export class Flushers {
  private readonly integers: Int32Array<SharedArrayBuffer>;

  constructor({ integers }: Pick<Shared, "integers">) {
    this.integers = integers;
  }

  /** Threads that store: something was written that is not on the disk yet. */
  written(): void {
    Atomics.store(this.integers, Integer.unflushed, ALL);
  }

  /**
   * Flusher: whether something was written since the last call. @param flusher its number, from 0
   */
  askWritten(flusher: number): boolean {
    const bit = 1 << flusher;
    return (Atomics.and(this.integers, Integer.unflushed, ~bit) & bit) !== 0;
  }

  /** Flusher: what was written is still not on the disk. */
  notFlushed(flusher: number): void {
    Atomics.or(this.integers, Integer.unflushed, 1 << flusher);
  }

  /** Main thread: ends the flushers. Each flushes once more. */
  end(): void {
    Atomics.store(this.integers, Integer.flusherEnd, 1);
    Atomics.notify(this.integers, Integer.flusherEnd);
  }

  /** Flusher: waits until it must end. @returns false if the time is over first */
  waitForEnd(timeoutMs: number): boolean {
    return Atomics.wait(this.integers, Integer.flusherEnd, 0, timeoutMs) !== "timed-out";
  }
}
