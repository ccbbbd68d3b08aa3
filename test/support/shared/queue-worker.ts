/**
 * A thread that takes slots from a {@link RequestQueue} and gives each back, as a writer does,
 * until it is told to end.
 *
 * @module
 */

import { EventFd } from "../../../src/os/wait.ts";
import { RequestQueue, NoWork } from "../../../src/shared/queue.ts";
import type { Shared } from "../../../src/shared/memory.ts";

/** What the thread is given. */
export interface QueueWorkerStart {
  readonly shared: Shared;
  readonly wakeFd: number;
  /** How often each slot was taken, by all threads. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

/** First "ready", and at the end how many slots this thread took. */
export type QueueWorkerMessage = "ready" | number;

declare const self: Worker;

self.onmessage = ({ data: { shared, wakeFd, taken } }: MessageEvent<QueueWorkerStart>) => {
  const queue = new RequestQueue(shared, new EventFd(wakeFd));
  self.postMessage("ready" satisfies QueueWorkerMessage);
  for (let count = 0; ; count++) {
    const slot = queue.waitForWork();
    if (slot === NoWork.end) {
      self.postMessage(count satisfies QueueWorkerMessage);
      return;
    }
    Atomics.add(taken, slot, 1);
    queue.giveBack(slot);
  }
};
