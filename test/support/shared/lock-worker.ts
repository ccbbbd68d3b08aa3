/**
 * A thread that counts under a {@link SharedLock} with plain reads and writes, which would lose
 * counts without the lock.
 *
 * @module
 */

import { SharedLock } from "../../../src/shared/lock.ts";

/**
 * The input of the thread. The lock is `integers[0]`, the counter `integers[1]`; `integers[2]`
 * starts all threads.
 */
export interface LockWorkerStart {
  readonly integers: Int32Array<SharedArrayBuffer>;
  readonly counts: number;
}

declare const self: Worker;

self.onmessage = ({ data: { integers, counts } }: MessageEvent<LockWorkerStart>) => {
  const lock = new SharedLock(integers, 0);
  Atomics.wait(integers, 2, 0);
  for (let index = 0; index < counts; index++) {
    lock.hold(() => {
      const before = integers[1]!;
      // So that the others reach the lock while it is held.
      for (let pause = 0; pause < index % 50; pause++) Atomics.load(integers, 2);
      integers[1] = before + 1;
    });
  }
  self.postMessage("done");
};
