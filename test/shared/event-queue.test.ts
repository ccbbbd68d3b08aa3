import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { EventQueue } from "../../src/shared/event-queue.ts";
import { createShared, type Shared } from "../../src/shared/memory.ts";
import type {
  EventQueueWorkerMessage,
  EventQueueWorkerStart,
} from "../support/shared/event-queue-worker.ts";

setDefaultTimeout(120_000);

const WORKER = new URL("../support/shared/event-queue-worker.ts", import.meta.url);

/** Runs a writer to its end. @returns undefined where it ended without a word */
async function run(start: EventQueueWorkerStart): Promise<EventQueueWorkerMessage | undefined> {
  const worker = new Worker(WORKER);
  const ended = Promise.withResolvers<EventQueueWorkerMessage | undefined>();
  worker.onmessage = ({ data }: MessageEvent<EventQueueWorkerMessage>) => ended.resolve(data);
  worker.addEventListener("close", () => ended.resolve(undefined));
  worker.postMessage(start);
  const outcome = await ended.promise;
  worker.terminate();
  return outcome;
}

const numbers = (slots: number): Int32Array<SharedArrayBuffer> =>
  new Int32Array(new SharedArrayBuffer((2 + slots) * Int32Array.BYTES_PER_ELEMENT));

function drained(shared: Shared, writer = 0): number[] {
  const slots: number[] = [];
  new EventQueue(shared, writer).drain((slot) => slots.push(slot));
  return slots;
}

describe("EventQueue", () => {
  test("gives what was put there in order, also what is put there meanwhile", () => {
    const shared = createShared(10);
    const queue = new EventQueue(shared, 0);
    const stored: number[] = [];
    expect(drained(shared)).toEqual([]);
    for (const slot of [3, 1, 2]) queue.put(slot);
    queue.drain((slot) => {
      stored.push(slot);
      if (slot === 1) for (const next of [0, 3]) queue.put(next);
    });
    expect(stored).toEqual([3, 1, 2, 0, 3]);
    expect(drained(shared)).toEqual([]);
  });

  test("leaves it to the writer that has the turn, which takes what others put there", () => {
    const shared = createShared(10);
    const [one, other] = [new EventQueue(shared, 0), new EventQueue(shared, 1)];
    const stored: string[] = [];
    one.put(1);
    one.drain((slot) => {
      stored.push(`one ${slot}`);
      if (slot !== 1) return;
      other.put(2);
      other.drain((taken) => stored.push(`other ${taken}`));
    });
    expect(stored).toEqual(["one 1", "one 2"]);
  });

  test("goes on with another writer when the one that had the turn has ended", async () => {
    const shared = createShared(10);
    const start = { shared, writer: 4, slots: [1, 2, 3], seen: numbers(10), ends: true };
    expect(await run(start)).toBeUndefined();
    expect(drained(shared)).toEqual([]);
    new EventQueue(shared, 5).release();
    expect(drained(shared)).toEqual([]);
    new EventQueue(shared, 4).release();
    // What it had in hand is answered by the main thread.
    expect(drained(shared)).toEqual([2, 3]);
  });

  // Without the second look in `drain`, or with a turn that is given back before the look, some
  // stay behind.
  test("has each stored once and by one writer at a time when many put there at once", async () => {
    const writers = 4;
    const each = 5000;
    const shared = createShared(writers * each);
    const seen = numbers(writers * each);
    const outcomes = await Promise.all(
      Array.from({ length: writers }, (_, writer) => {
        const slots = Array.from({ length: each }, (_unused, index) => writer * each + index);
        return run({ shared, writer, slots, seen, ends: false });
      }),
    );
    expect(outcomes).toEqual(Array(writers).fill("done"));
    expect(seen[0]).toBe(0);
    const turns = seen.subarray(2);
    expect(Array.from(turns.toSorted())).toEqual(Array.from(turns, (_, index) => index + 1));
    // Those of one writer in their order.
    for (let writer = 0; writer < writers; writer++) {
      const own = turns.subarray(writer * each, (writer + 1) * each);
      expect(own.every((turn, index) => index === 0 || turn > own[index - 1]!)).toBe(true);
    }
  });
});
