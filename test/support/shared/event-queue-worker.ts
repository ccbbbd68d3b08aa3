/**
 * A thread that puts events into an {@link EventQueue} and drains it, like a writer.
 *
 * @module
 */

import { EventQueue } from "../../../src/shared/event-queue.ts";
import type { Shared } from "../../../src/shared/memory.ts";

/** What the thread is given. */
export interface EventQueueWorkerStart {
  readonly shared: Pick<Shared, "integers" | "nextEvents">;
  readonly writer: number;
  /** The slots to put, one after the other. */
  readonly slots: readonly number[];
  /**
   * The number of threads that are storing now; then for each slot its position in the order, from
   * 1.
   */
  readonly seen: Int32Array<SharedArrayBuffer>;
  /** How many it takes along if it ends during the first; undefined: it does not end. */
  readonly ends: boolean;
}

/** Whether two threads stored at once. */
export type EventQueueWorkerMessage = "done" | "two at once";

declare const self: Worker;

self.onmessage = ({
  data: { shared, writer, slots, seen, ends },
}: MessageEvent<EventQueueWorkerStart>) => {
  const queue = new EventQueue(shared, writer);
  let outcome: EventQueueWorkerMessage = "done";
  const store = (slot: number): void => {
    if (Atomics.add(seen, 0, 1) !== 0) outcome = "two at once";
    Atomics.store(seen, 2 + slot, Atomics.add(seen, 1, 1) + 1);
    if (ends) {
      Atomics.store(seen, 0, 0);
      process.exit(3);
    }
    Atomics.sub(seen, 0, 1);
  };
  for (const slot of slots) {
    queue.put(slot);
    // If it ends, all are queued before.
    if (!ends) queue.drain(store);
  }
  queue.drain(store);
  self.postMessage(outcome);
};
