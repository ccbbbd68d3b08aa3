import { expect, test } from "bun:test";
import { SharedLock } from "../../src/shared/lock.ts";
import type { LockWorkerStart } from "../support/shared/lock-worker.ts";

function newIntegers(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
}

test("hold gives what the action gives and frees the lock", () => {
  const integers = newIntegers();
  const lock = new SharedLock(integers, 0);
  expect(lock.hold(() => integers[0])).not.toBe(0);
  expect(integers[0]).toBe(0);
  expect(lock.hold(() => "again")).toBe("again");
});

test("hold frees the lock when the action throws", () => {
  const integers = newIntegers();
  const lock = new SharedLock(integers, 0);
  const hold = () =>
    lock.hold(() => {
      throw new Error("no");
    });
  expect(hold).toThrow("no");
  expect(integers[0]).toBe(0);
});

test("hold lets in one thread at a time when four count with plain reads and writes", async () => {
  const threads = 4;
  const counts = 20_000;
  const integers = newIntegers();
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL("../support/shared/lock-worker.ts", import.meta.url));
    const done = Promise.withResolvers<void>();
    worker.onmessage = () => done.resolve();
    worker.onerror = ({ message }) => done.reject(new Error(message));
    worker.postMessage({ integers, counts } satisfies LockWorkerStart);
    return { worker, done: done.promise };
  });
  try {
    Atomics.store(integers, 2, 1);
    Atomics.notify(integers, 2);
    await Promise.all(workers.map(({ done }) => done));
  } finally {
    for (const { worker } of workers) worker.terminate();
  }
  expect(integers[1]).toBe(threads * counts);
  expect(integers[0]).toBe(0);
}, 60_000);
