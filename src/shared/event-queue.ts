/**
 * Events on their way to the event log. Only one writer at a time stores them. So at most one
 * writer waits for the disk of `logs`, and the others store images, whatever that disk does.
 *
 * A writer that takes an event from the queue puts it here. If no other writer has the turn, it
 * takes the turn and stores everything here, in order. Otherwise it continues at once, and the
 * writer with the turn stores its event too.
 *
 * This is a list of slots that anybody may add to, linked by their numbers, newest first. The
 * writer with the turn takes the whole list and reverses it. Everything is in shared memory, so
 * another writer can continue if one ends during its turn.
 *
 * @module
 */

import { Integer, type Shared } from "./memory.ts";

/**
 * One end of the queue. Each writer has its own over the same memory. Slots are stored as their
 * number plus 1; 0 means none.
 */
export class EventQueue {
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly next: Int32Array<SharedArrayBuffer>;

  /** @param writer its number */
  constructor(
    { integers, nextEvents }: Pick<Shared, "integers" | "nextEvents">,
    private readonly writer: number,
  ) {
    this.integers = integers;
    this.next = nextEvents;
  }

  /** Adds the event in a slot. {@link drain} must follow. */
  put(slot: number): void {
    const { integers, next } = this;
    for (;;) {
      const newest = Atomics.load(integers, Integer.newestEvent);
      Atomics.store(next, slot, newest);
      if (Atomics.compareExchange(integers, Integer.newestEvent, newest, slot + 1) === newest)
        return;
    }
  }

  /**
   * Stores what is here, as long as there is something and no other writer has the turn. @param
   * store stores a slot, and never throws
   */
  drain(store: (slot: number) => void): void {
    const { integers } = this;
    // Check again after each turn: another writer may have added something and seen that the turn
    // was taken.
    while (!this.isEmpty) {
      if (Atomics.compareExchange(integers, Integer.eventTurn, 0, this.writer + 1) !== 0) return;
      for (let slot = this.pop(); slot >= 0; slot = this.pop()) store(slot);
      Atomics.store(integers, Integer.eventTurn, 0);
    }
  }

  /**
   * Main thread, for a writer that has ended: frees the turn if that writer had it. The next writer
   * that drains continues.
   */
  release(): void {
    Atomics.compareExchange(this.integers, Integer.eventTurn, this.writer + 1, 0);
  }

  private get isEmpty(): boolean {
    const { integers } = this;
    return (
      Atomics.load(integers, Integer.oldestEvent) === 0 &&
      Atomics.load(integers, Integer.newestEvent) === 0
    );
  }

  /** The writer with the turn: the oldest event, or -1. */
  private pop(): number {
    const { integers, next } = this;
    if (Atomics.load(integers, Integer.oldestEvent) === 0) this.turnRound();
    const slot = Atomics.load(integers, Integer.oldestEvent) - 1;
    if (slot >= 0) Atomics.store(integers, Integer.oldestEvent, Atomics.load(next, slot));
    return slot;
  }

  private turnRound(): void {
    const { integers, next } = this;
    let oldest = 0;
    for (let rest = Atomics.exchange(integers, Integer.newestEvent, 0); rest !== 0;) {
      const before = Atomics.load(next, rest - 1);
      Atomics.store(next, rest - 1, oldest);
      oldest = rest;
      rest = before;
    }
    Atomics.store(integers, Integer.oldestEvent, oldest);
  }
}
