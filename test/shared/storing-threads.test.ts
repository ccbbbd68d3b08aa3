import { describe, expect, test } from "bun:test";
import { Flushers } from "../../src/shared/flushers.ts";
import { readHistograms } from "../../src/shared/histogram.ts";
import { createShared } from "../../src/shared/memory.ts";
import { type RequestSlot, RequestSlots } from "../../src/shared/request-slot.ts";
import { StoringThread, StoringThreads } from "../../src/shared/storing-threads.ts";
import { STORING_THREADS_MAX } from "../../src/limits.ts";

function newThread() {
  const shared = createShared(4);
  const flushers = new Flushers(shared);
  return {
    shared,
    flushers,
    thread: new StoringThread(shared, 1),
    slot: new RequestSlots(shared.slots).at(2),
  };
}

const stored = ({ durations }: StoringThread) => readHistograms([durations]);

describe("StoringThread", () => {
  test("tells any thread what it has in hand, and how often it had something", () => {
    const { shared, thread } = newThread();
    const other = new StoringThread(shared, 1);
    const seen = () => [other.inHand, other.taken];
    expect(seen()).toEqual([-1, 0]);
    thread.begin(0);
    expect(seen()).toEqual([0, 1]);
    thread.letGo();
    expect(seen()).toEqual([-1, 1]);
    thread.begin(3);
    expect(seen()).toEqual([3, 2]);
    expect(new StoringThread(shared, 0).inHand).toBe(-1);
    expect(new StoringThread(shared, 2).inHand).toBe(-1);
  });

  test("measures what it stores, tells the flushers, and still has it in hand", () => {
    const { flushers, thread, slot } = newThread();
    const slots: RequestSlot[] = [];
    thread.begin(2);
    const handle = (each: RequestSlot): void => {
      slots.push(each);
      Bun.sleepSync(2);
    };
    expect(flushers.askWritten(0)).toBe(false);
    expect(thread.store({ handle }, slot)).toBeUndefined();
    expect(slots).toEqual([slot]);
    expect(stored(thread).count).toBe(1);
    expect(stored(thread).sumSeconds).toBeGreaterThanOrEqual(0.002);
    expect(flushers.askWritten(0)).toBe(true);
    expect(thread.inHand).toBe(2);
  });

  test("measures until the end what goes on afterwards", async () => {
    const { flushers, thread, slot } = newThread();
    const encoded = Promise.withResolvers<void>();
    thread.begin(2);
    const storing = thread.store({ handle: () => encoded.promise }, slot);
    expect(stored(thread).count).toBe(0);
    await Bun.sleep(2);
    encoded.resolve();
    await storing;
    expect(stored(thread).count).toBe(1);
    expect(stored(thread).sumSeconds).toBeGreaterThan(0.001);
    expect(flushers.askWritten(0)).toBe(true);
  });

  test.each([
    [
      "throws",
      () => {
        throw new Error("unforeseen");
      },
    ],
    ["rejects", () => Promise.reject(new Error("unforeseen"))],
  ])("has in hand what the store %s on, until that is taken from it", async (_, handle) => {
    const { thread, slot } = newThread();
    thread.begin(2);
    const store = async () => await thread.store({ handle }, slot);
    expect(store()).rejects.toThrow("unforeseen");
    await Bun.sleep(0);
    expect(stored(thread).count).toBe(0);
    expect([thread.endInHand(), thread.endInHand(), thread.inHand]).toEqual([2, -1, -1]);
  });
});

describe("StoringThreads", () => {
  test.each([1, 3, STORING_THREADS_MAX - 1])(
    "are %i writers, and then the fast path",
    (writers) => {
      const threads = new StoringThreads(createShared(1), writers);
      expect(threads.all.map(({ number }) => number)).toEqual([...Array(writers + 1).keys()]);
      expect(threads.all).toEqual([...threads.writers, threads.fastPath]);
      threads.fastPath.begin(7);
      expect(threads.writers.map(({ inHand }) => inHand)).toEqual(Array(writers).fill(-1));
    },
  );

  test("tell for how long the disk stalls", () => {
    const shared = createShared(1);
    const threads = new StoringThreads(shared, 2);
    expect(threads.stalledSeconds).toBe(0);
    new StoringThreads(shared, 2).stalledSeconds = 4;
    expect(threads.stalledSeconds).toBe(4);
  });
});
