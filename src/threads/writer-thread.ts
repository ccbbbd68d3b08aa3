/**
 * The thread of a writer: takes slots from the queue, stores what is in them, and gives them back.
 *
 * @module
 */

import { systemClock } from "../clock.ts";
import { EventFd } from "../libc.ts";
import { Store } from "../store/store.ts";
import { observe } from "./histogram.ts";
import type { ThreadStart, WriterMessage } from "./messages.ts";
import { RequestQueue, Take } from "./queue.ts";
import { histogramAt, Integer } from "./shared.ts";
import { Slots } from "./slot.ts";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<ThreadStart>) => {
  const { settings, shared, wakeFd, writer } = data;
  const { integers } = shared;
  const store = new Store(settings, shared, systemClock);
  const queue = new RequestQueue(shared, new EventFd(wakeFd), writer);
  const slots = new Slots(shared.slots);
  const durations = histogramAt(shared, writer);
  self.postMessage({ type: "ready" } satisfies WriterMessage);

  for (;;) {
    const index = queue.take();
    if (index === Take.end) break;
    integers[Integer.taken + writer]!++;
    Atomics.store(integers, Integer.inHand + writer, index + 1);
    const startMs = performance.now();
    const pending = store.handle(slots.at(index));
    // Only an array that is being encoded is waited for; everything else has been done by now.
    if (pending !== undefined) await pending;
    observe(durations, performance.now() - startMs);
    Atomics.store(integers, Integer.unflushed, 1);
    integers[Integer.inHand + writer] = 0;
    queue.giveBack(index);
  }
};
