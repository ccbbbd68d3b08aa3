/**
 * The threads that store: what each has in hand, and how long it takes to store.
 *
 * @module
 */

import { Flushers } from "./flushers.ts";
import { observe } from "./histogram.ts";
import { histogramAt, Integer, type Shared, ThreadInteger, threadIntegersAt } from "./memory.ts";
import type { RequestSlot } from "./request-slot.ts";

/** Stores slots for a thread. */
interface Handler {
  /** Stores a slot. @returns a promise only if this is not finished yet */
  handle(slot: RequestSlot): void | Promise<void>;
}

/** One thread that stores, as any thread sees it. */
export class StoringThread {
  /** How long storing took, for `histogram.ts`. */
  readonly durations: Float64Array<SharedArrayBuffer>;
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly inHandAt: number;
  private readonly takenAt: number;
  private readonly flushers: Flushers;

  /** @param number of a writer; the fast path has the next one */
  constructor(
    shared: Shared,
    readonly number: number,
  ) {
    const at = threadIntegersAt(number);
    this.integers = shared.integers;
    this.durations = histogramAt(shared, number);
    this.inHandAt = at + ThreadInteger.inHand;
    this.takenAt = at + ThreadInteger.taken;
    this.flushers = new Flushers(shared);
  }

  /** This thread: takes a slot in hand. {@link store} and {@link letGo} must follow. */
  begin(index: number): void {
    // In this order: a thread that sees the slot in hand and then reads `taken` sees it counted.
    this.integers[this.takenAt]!++;
    Atomics.store(this.integers, this.inHandAt, index + 1);
  }

  /**
   * This thread: stores the slot in hand.
   *
   * @returns a promise only if `handler` returns one
   */
  store(handler: Handler, slot: RequestSlot): void | Promise<void> {
    const startMs = performance.now();
    const storing = handler.handle(slot);
    if (storing !== undefined) return storing.then(() => this.hasStored(startMs));
    this.hasStored(startMs);
  }

  private hasStored(startMs: number): void {
    observe(this.durations, performance.now() - startMs);
    this.flushers.written();
  }

  /**
   * This thread: has nothing in hand any more. A slot that another thread is to answer is given on
   * only after this, so that nobody else answers it if this thread ends in between.
   */
  letGo(): void {
    Atomics.store(this.integers, this.inHandAt, 0);
  }

  /**
   * Main thread, for a thread that has ended: takes its slot in hand. @returns the slot; -1 if none
   */
  endInHand(): number {
    return Atomics.exchange(this.integers, this.inHandAt, 0) - 1;
  }

  /** The slot in hand; -1 if none. */
  get inHand(): number {
    return Atomics.load(this.integers, this.inHandAt) - 1;
  }

  /**
   * The number of slots taken so far. Read {@link inHand} first, the reverse of the thread's order
   * of writing: so a new slot in hand is never seen with the previous count.
   */
  get taken(): number {
    return this.integers[this.takenAt]!;
  }
}

/** The threads that store of one hub. Each thread has its own object. */
export class StoringThreads {
  /** By number. */
  readonly writers: readonly StoringThread[];
  /** Its number follows those of the writers. */
  readonly fastPath: StoringThread;
  readonly all: readonly StoringThread[];
  private readonly integers: Int32Array<SharedArrayBuffer>;

  constructor(shared: Shared, writers: number) {
    this.all = Array.from(
      { length: writers + 1 },
      (_, number) => new StoringThread(shared, number),
    );
    this.writers = this.all.slice(0, writers);
    this.fastPath = this.all[writers]!;
    this.integers = shared.integers;
  }

  /**
   * How long one of them has waited for the disk with the same request, in seconds; 0 if the disk
   * does not stall. Set by the receiver.
   */
  get stalledSeconds(): number {
    return Atomics.load(this.integers, Integer.stalledSeconds);
  }
  set stalledSeconds(seconds: number) {
    Atomics.store(this.integers, Integer.stalledSeconds, seconds);
  }
}
