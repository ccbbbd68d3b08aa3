/**
 * The threads that store: what each has in hand, and how long it takes to store.
 *
 * @module
 */

import { Flushers } from "./flushers.ts";
import { observe } from "./histogram.ts";
import { histogramAt, Integer, type Shared, ThreadInteger, threadIntegersAt } from "./memory.ts";
import type { RequestSlot } from "./request-slot.ts";

/** What a thread stores with. */
interface Handler {
  /** Stores what is in a slot. @returns a promise only where that goes on afterwards */
  handle(slot: RequestSlot): void | Promise<void>;
}

/** One thread that stores, as any thread sees it. */
export class StoringThread {
  /** How long it took to store, for `histogram.ts`. */
  readonly durations: Float64Array<SharedArrayBuffer>;
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly inHandAt: number;
  private readonly takenAt: number;
  private readonly flushers: Flushers;

  /** @param number the number of a writer, or the next one for the fast path */
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

  /** This thread: has a slot in hand from now on. {@link store} and {@link letGo} follow. */
  begin(index: number): void {
    // In this order: whoever sees the slot in hand, and then looks at `taken`, sees it counted.
    this.integers[this.takenAt]!++;
    Atomics.store(this.integers, this.inHandAt, index + 1);
  }

  /**
   * This thread: stores what is in the slot in hand.
   *
   * @returns a promise only where `handler` gives one
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
   * This thread: has nothing in hand any more. It gives the slot on only after that, so that no one
   * else answers for it if the thread ends in between.
   */
  letGo(): void {
    Atomics.store(this.integers, this.inHandAt, 0);
  }

  /** Main thread, for one that has ended: takes what it had in hand. @returns that; -1: nothing */
  endInHand(): number {
    return Atomics.exchange(this.integers, this.inHandAt, 0) - 1;
  }

  /** The slot that it has in hand; -1: none. */
  get inHand(): number {
    return Atomics.load(this.integers, this.inHandAt) - 1;
  }

  /**
   * How many slots it has taken so far. Read {@link inHand} before it, the other way round than the
   * thread writes them: so a new slot in hand is never seen with the count of the one before.
   */
  get taken(): number {
    return this.integers[this.takenAt]!;
  }
}

/** The threads that store of one hub. Each thread has its own object. */
export class StoringThreads {
  /** By their numbers. */
  readonly writers: readonly StoringThread[];
  /** Its number is the next one after those of the writers. */
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
   * For how many seconds one of them has waited for the disk with the same request; 0 while the
   * disk does not stall. The receiver sets it.
   */
  get stalledSeconds(): number {
    return Atomics.load(this.integers, Integer.stalledSeconds);
  }
  set stalledSeconds(seconds: number) {
    Atomics.store(this.integers, Integer.stalledSeconds, seconds);
  }
}
