/**
 * The thread of a writer: takes slots from the queue, stores what is in them, and gives them back. Events go through
 * `event-queue.ts`, so that no more than one writer waits for the event log.
 *
 * @module
 */

import { systemClock } from "../clock.ts";
import { EventFd } from "../libc.ts";
import { Store } from "../store/store.ts";
import { observe } from "./histogram.ts";
import { EventQueue } from "./event-queue.ts";
import type { ThreadStart, WriterMessage } from "./messages.ts";
import { RequestQueue, Take } from "./queue.ts";
import { histogramAt, Integer } from "./shared.ts";
import { isForLog, Slots } from "./slot.ts";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<ThreadStart>) => {
  const { settings, shared, wakeFd, writer } = data;
  const { integers } = shared;
  const files = new Store(settings, shared, systemClock);
  const queue = new RequestQueue(shared, new EventFd(wakeFd), writer);
  const events = new EventQueue(shared, writer);
  const slots = new Slots(shared.slots);
  const durations = histogramAt(shared, writer);

  /** @returns a promise where there is something to be waited for */
  const store = (index: number): void | Promise<void> => {
    integers[Integer.taken + writer]!++;
    Atomics.store(integers, Integer.inHand + writer, index + 1);
    const startMs = performance.now();
    const pending = files.handle(slots.at(index));
    // Only an array that is being encoded is waited for; everything else has been done by now.
    if (pending !== undefined) return pending.then(() => giveBack(index, startMs));
    giveBack(index, startMs);
  };
  const giveBack = (index: number, startMs: number): void => {
    observe(durations, performance.now() - startMs);
    Atomics.store(integers, Integer.unflushed, 1);
    integers[Integer.inHand + writer] = 0;
    queue.giveBack(index);
  };

  /** Its turn can go on for as long as events come, so it says amid that that it turns. None is waited for. */
  const storeEvent = (index: number): void => {
    queue.turn();
    void store(index);
  };

  self.postMessage({ type: "ready" } satisfies WriterMessage);
  // The writer before this one may have left some.
  events.drain(storeEvent);
  for (;;) {
    const index = queue.take();
    if (index === Take.end) break;
    if (isForLog(slots.at(index).kind)) {
      events.put(index);
      events.drain(storeEvent);
    } else {
      const pending = store(index);
      if (pending !== undefined) await pending;
    }
  }
};
