/**
 * The thread of a writer: takes slots from the queue, stores them, and gives them back. Events go
 * through `event-queue.ts`, so at most one writer waits for the event log.
 *
 * @module
 */

import { systemClock } from "../protocol/calendar.ts";
import { EventFd } from "../os/wait.ts";
import { Store } from "../store/store.ts";
import { EventQueue } from "../shared/event-queue.ts";
import type { ReadyMessage, WriterStart } from "../shared/messages.ts";
import { NoWork, RequestQueue } from "../shared/queue.ts";
import { isForLog, RequestSlots } from "../shared/request-slot.ts";
import { StoringThread } from "../shared/storing-threads.ts";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<WriterStart>) => {
  const { settings, shared, receiverWakeFd, number } = data;
  const files = new Store(settings, shared, systemClock);
  const queue = new RequestQueue(shared, new EventFd(receiverWakeFd), number);
  const events = new EventQueue(shared, number);
  const slots = new RequestSlots(shared.slots);
  const thread = new StoringThread(shared, number);

  const giveBack = (index: number): void => {
    thread.letGo();
    queue.giveBack(index);
  };
  /** Only wait for an array that is being encoded. Everything else is finished. */
  let pending = undefined as void | Promise<void>;
  const store = (index: number): void => {
    // A turn with events continues as long as some arrive.
    queue.turn();
    thread.begin(index);
    pending = thread.store(files, slots.at(index));
    if (pending === undefined) giveBack(index);
    else pending = pending.then(() => giveBack(index));
  };

  self.postMessage({ type: "ready" } satisfies ReadyMessage);
  // The previous writer may have left some.
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
