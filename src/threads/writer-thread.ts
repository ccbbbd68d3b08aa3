/**
 * The thread of a writer: takes slots from the queue, stores what is in them, and gives them back.
 * Events go through `event-queue.ts`, so that no more than one writer waits for the event log.
 *
 * @module
 */

import { systemClock } from "../protocol/calendar.ts";
import { EventFd } from "../os/wait.ts";
import { Store } from "../store/store.ts";
import { observe } from "../shared/histogram.ts";
import { EventQueue } from "../shared/event-queue.ts";
import type { ThreadStart, WriterMessage } from "../shared/messages.ts";
import { RequestQueue, NoWork } from "../shared/queue.ts";
import { histogramAt, Integer, UNFLUSHED } from "../shared/memory.ts";
import { isForLog, RequestSlots } from "../shared/request-slot.ts";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<ThreadStart>) => {
  const { settings, shared, wakeFd, writer } = data;
  const { integers } = shared;
  const files = new Store(settings, shared, systemClock);
  const queue = new RequestQueue(shared, new EventFd(wakeFd), writer);
  const events = new EventQueue(shared, writer);
  const slots = new RequestSlots(shared.slots);
  const durations = histogramAt(shared, writer);

  const giveBack = (index: number, startMs: number): void => {
    observe(durations, performance.now() - startMs);
    Atomics.store(integers, Integer.unflushed, UNFLUSHED);
    integers[Integer.inHand + writer] = 0;
    queue.giveBack(index);
  };
  /** Only an array that is being encoded is waited for; everything else has been done by then. */
  let pending = undefined as void | Promise<void>;
  const store = (index: number): void => {
    // One turn with events goes on for as long as some come.
    queue.turn();
    integers[Integer.taken + writer]!++;
    Atomics.store(integers, Integer.inHand + writer, index + 1);
    const startMs = performance.now();
    pending = files.handle(slots.at(index));
    if (pending === undefined) giveBack(index, startMs);
    else pending = pending.then(() => giveBack(index, startMs));
  };

  self.postMessage({ type: "ready" } satisfies WriterMessage);
  // The writer before this one may have left some.
  events.drain(store);
  for (;;) {
    const index = queue.waitForWork();
    if (index === NoWork.end) break;
    if (isForLog(slots.at(index).kind)) {
      events.put(index);
      events.drain(store);
    } else {
      store(index);
    }
    if (pending !== undefined) await pending;
  }
};
