import { afterEach, describe, expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { EventFd } from "../../src/os/wait.ts";
import { RequestQueue, NoWork } from "../../src/shared/queue.ts";
import { WRITERS_MAX } from "../../src/limits.ts";
import { createShared, Integer, type Shared } from "../../src/shared/memory.ts";
import { Poller } from "../../src/zmq/poller.ts";
import type { QueueWorkerMessage, QueueWorkerStart } from "../support/shared/queue-worker.ts";

/** How long a wake-up is waited for; one that takes so long is lost. */
const LOST_MS = 20_000;

/**
 * Tickets just before they pass 2^31, where they become negative, and 2^32, where they begin again.
 */
const BEFORE_2_31 = 2 ** 31 - 100;
const BEFORE_2_32 = -100;

const wakes: EventFd[] = [];

afterEach(() => {
  for (const wake of wakes.splice(0)) closeSync(wake.fd);
});

/** A queue whose tickets have come as far as `ticket`. */
function newQueue(
  slots: number,
  ticket = 0,
): { shared: Shared; wake: EventFd; queue: RequestQueue } {
  const shared = createShared(slots);
  const wake = EventFd.create();
  wakes.push(wake);
  const queue = new RequestQueue(shared, wake);
  for (const integer of [Integer.workHead, Integer.workTail, Integer.doneTail]) {
    shared.integers[integer] = ticket;
  }
  Reflect.set(queue, "doneHead", ticket | 0);
  // As if it had gone round so often.
  for (let next = ticket; next < ticket + shared.done.length; next++)
    shared.done[next & (shared.done.length - 1)] = -(
      (next >>> 0) >>>
      Math.log2(shared.done.length)
    );
  return { shared, wake, queue };
}

/**
 * The receiver of a hub that takes from the queue what writers in threads of their own give back.
 */
class Putter implements AsyncDisposable {
  readonly queue: RequestQueue;
  readonly #free: number[];
  readonly #taken: Int32Array<SharedArrayBuffer>;
  readonly #expected: number[];
  readonly #wake: EventFd;
  readonly #poller: Poller;
  readonly #workers: Worker[];
  readonly #counts: Promise<number>[];

  private constructor(slots: number, takers: number, ticket: number) {
    const { shared, wake, queue } = newQueue(slots, ticket);
    this.queue = queue;
    this.#wake = wake;
    this.#poller = new Poller([wake]);
    this.#free = Array.from({ length: slots }, (_, slot) => slot);
    this.#expected = this.#free.map(() => 0);
    this.#taken = new Int32Array(new SharedArrayBuffer(slots * Int32Array.BYTES_PER_ELEMENT));
    this.#workers = Array.from(
      { length: takers },
      () => new Worker(new URL("../support/shared/queue-worker.ts", import.meta.url)),
    );
    const start: QueueWorkerStart = { shared, wakeFd: wake.fd, taken: this.#taken };
    this.#counts = this.#workers.map((worker) => {
      const count = Promise.withResolvers<number>();
      worker.addEventListener("message", ({ data }: MessageEvent<QueueWorkerMessage>) => {
        if (data !== "ready") count.resolve(data);
      });
      worker.postMessage(start);
      return count.promise;
    });
  }

  static async start(slots: number, takers: number, ticket = 0): Promise<Putter> {
    const putter = new Putter(slots, takers, ticket);
    const ready = putter.#workers.map(async (worker) => {
      const first = Promise.withResolvers<void>();
      worker.addEventListener("message", () => first.resolve(), { once: true });
      worker.addEventListener("error", ({ message }) => first.reject(new Error(message)), {
        once: true,
      });
      await first.promise;
    });
    await Promise.all(ready);
    return putter;
  }

  get slots(): number {
    return this.#expected.length;
  }

  /** Puts free slots, at most `count`. @returns how many */
  put(count: number): number {
    for (let done = 0; done < count; done++) {
      const slot = this.#free.pop();
      if (slot === undefined) return done;
      this.#expected[slot]!++;
      this.queue.put(slot);
    }
    return count;
  }

  /**
   * Takes back all that is done. @throws {Error} when a slot comes that was not out, or was taken
   * twice
   */
  takeBack(): number {
    let count = 0;
    for (let slot = this.queue.nextDone(); slot >= 0; slot = this.queue.nextDone()) {
      const times = Atomics.load(this.#taken, slot);
      if (times !== this.#expected[slot] || this.#free.includes(slot)) {
        throw new Error(
          `Slot ${slot} came back, taken ${times} times, put ${this.#expected[slot]} times`,
        );
      }
      this.#free.push(slot);
      count++;
    }
    return count;
  }

  /** Waits as the receiver does until something is done. @throws {Error} when nobody wakes it */
  sleep(): void {
    if (this.queue.fallAsleep()) {
      this.#poller.wait(LOST_MS);
      if (!this.#poller.readable(0)) throw new Error("The wake-up was lost");
      this.#wake.clear();
    }
    this.queue.awake();
  }

  /** Takes back everything that is still out. */
  takeBackAll(): void {
    while (this.#free.length < this.slots) if (this.takeBack() === 0) this.sleep();
  }

  /** Ends the threads. @returns how many slots each took */
  async end(): Promise<number[]> {
    this.queue.end(this.#workers.length);
    return await Promise.all(this.#counts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) worker.terminate();
  }
}

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0);

describe("put and waitForWork pass each slot on exactly once", () => {
  test.each([
    { slots: 1, takers: 2, ticket: 0 },
    { slots: 3, takers: 4, ticket: 0 },
    { slots: 500, takers: 2, ticket: 0 },
    { slots: 64, takers: 3, ticket: BEFORE_2_31 },
    { slots: 64, takers: 4, ticket: BEFORE_2_32 },
  ])(
    "when $takers threads take from $slots slots, from ticket $ticket",
    async ({ slots, takers, ticket }) => {
      const total = 40_000;
      await using putter = await Putter.start(slots, takers, ticket);
      let put = 0;
      while (put < total) {
        put += putter.put(Math.min(32, total - put));
        if (putter.takeBack() === 0) putter.sleep();
      }
      putter.takeBackAll();
      expect(putter.queue.nextDone()).toBe(-1);
      expect(sum(await putter.end())).toBe(total);
    },
    60_000,
  );
});

test("put wakes a taker and giveBack the receiver when both fall asleep again and again", async () => {
  await using putter = await Putter.start(8, 4);
  // Pauses around the time that falling asleep takes, so that calls to wake come at every moment of
  // it.
  const pause = new Int32Array(new SharedArrayBuffer(4));
  let put = 0;
  for (let round = 0; round < 1500; round++) {
    put += putter.put(1 + (round % 4));
    if (round % 3 === 0) Atomics.wait(pause, 0, 0, (round % 7) / 20);
    putter.takeBackAll();
    if (round % 5 === 0) Atomics.wait(pause, 0, 0, (round % 11) / 10);
  }
  expect(sum(await putter.end())).toBe(put);
}, 120_000);

test("end ends each taker, after all that was put before it", async () => {
  await using putter = await Putter.start(200, 4);
  expect(putter.put(200)).toBe(200);
  expect(sum(await putter.end())).toBe(200);
  putter.takeBackAll();
});

test("end ends takers that sleep", async () => {
  await using putter = await Putter.start(1, 4);
  await Bun.sleep(50);
  expect(await putter.end()).toEqual([0, 0, 0, 0]);
});

describe("nextWork", () => {
  test("gives what was put in that order, and then nothing", () => {
    const { queue } = newQueue(4);
    for (const slot of [3, 0, 2]) queue.put(slot);
    expect([queue.nextWork(), queue.nextWork(), queue.nextWork(), queue.nextWork()]).toEqual([
      3,
      0,
      2,
      NoWork.nothing,
    ]);
  });

  test("tells the end from a slot", () => {
    const { queue } = newQueue(4);
    queue.put(0);
    queue.end(2);
    expect([queue.nextWork(), queue.nextWork(), queue.nextWork(), queue.nextWork()]).toEqual([
      0,
      NoWork.end,
      NoWork.end,
      NoWork.nothing,
    ]);
  });

  test("and nextDone keep to the order when tickets pass 2^31 and 2^32", () => {
    for (const ticket of [BEFORE_2_31, BEFORE_2_32]) {
      const { queue, shared } = newQueue(5, ticket);
      for (let round = 0; round < 300; round++) {
        for (let slot = 0; slot < 5; slot++) queue.put((slot + round) % 5);
        const taken = Array.from({ length: 5 }, () => queue.nextWork());
        expect(taken).toEqual([0, 1, 2, 3, 4].map((slot) => (slot + round) % 5));
        for (const slot of taken) queue.giveBack(slot);
        expect(Array.from({ length: 6 }, () => queue.nextDone())).toEqual([...taken, -1]);
      }
      expect(shared.integers[Integer.workTail]).toBe((ticket + 1500) | 0);
    }
  });
});

test("put has room for all slots and the end of all writers when nobody takes", () => {
  for (const slots of [1, 63, 64, 65, 500, 960, 961]) {
    const { queue, shared } = newQueue(slots);
    expect(shared.work.length).toBeGreaterThanOrEqual(slots + WRITERS_MAX);
    for (let slot = 0; slot < slots; slot++) queue.put(slot);
    queue.end(WRITERS_MAX);
    const taken = Array.from({ length: slots + WRITERS_MAX }, () => queue.nextWork());
    expect(taken.slice(0, slots)).toEqual(Array.from({ length: slots }, (_, slot) => slot));
    expect(new Set(taken.slice(slots))).toEqual(new Set([NoWork.end]));
  }
});

describe("fallAsleep", () => {
  test("is refused when a slot is done already", () => {
    const { queue, wake } = newQueue(4);
    const poller = new Poller([wake]);
    queue.giveBack(2);
    expect(queue.fallAsleep()).toBe(false);
    queue.awake();
    poller.wait(0);
    expect(poller.readable(0)).toBe(false);
    expect(queue.nextDone()).toBe(2);
    expect(queue.fallAsleep()).toBe(true);
  });

  test("makes the next giveBack signal, and only that one", () => {
    const { queue, wake } = newQueue(4);
    const poller = new Poller([wake]);
    expect(queue.fallAsleep()).toBe(true);
    queue.giveBack(0);
    poller.wait(0);
    expect(poller.readable(0)).toBe(true);
    wake.clear();
    queue.giveBack(1);
    poller.wait(0);
    expect(poller.readable(0)).toBe(false);
    queue.awake();
    expect([queue.nextDone(), queue.nextDone(), queue.nextDone()]).toEqual([0, 1, -1]);
  });

  test("makes stop signal, which stays set", () => {
    const { queue, wake, shared } = newQueue(4);
    const poller = new Poller([wake]);
    expect(queue.stopping).toBe(false);
    expect(queue.fallAsleep()).toBe(true);
    new RequestQueue(shared, wake).stop();
    poller.wait(0);
    expect(poller.readable(0)).toBe(true);
    expect(queue.stopping).toBe(true);
  });

  test("makes an order signal, which is there until it is cleared", () => {
    const { queue, wake, shared } = newQueue(4);
    const poller = new Poller([wake]);
    expect(queue.fallAsleep()).toBe(true);
    expect(queue.isCalling).toBe(false);
    new RequestQueue(shared, wake).order();
    poller.wait(0);
    expect(poller.readable(0)).toBe(true);
    expect(queue.isCalling).toBe(true);
    expect([queue.clearOrdered(), queue.clearOrdered()]).toEqual([true, false]);
    expect(queue.isCalling).toBe(false);
  });
});

/** Ends a thread's giveBack in front of its n-th atomic operation on shared memory. */
function endBefore(operation: number, act: () => void): void {
  const names = ["load", "store", "add", "compareExchange", "exchange"] as const;
  const whole = Object.fromEntries(names.map((name) => [name, Atomics[name]]));
  let count = 0;
  for (const name of names) {
    Reflect.set(Atomics, name, (...words: unknown[]): unknown => {
      if (++count === operation) throw new Error("The thread ends here");
      return Reflect.apply(whole[name] as () => unknown, Atomics, words);
    });
  }
  try {
    act();
  } catch (error) {
    expect(error).toMatchObject({ message: "The thread ends here" });
  } finally {
    Object.assign(Atomics, whole);
  }
}

describe("giveBack", () => {
  test.each([1, 2, 3, 4])(
    "that ends at its operation %d loses no other slot, at any place of the ring",
    (operation) => {
      const { queue, shared, wake } = newQueue(3, BEFORE_2_32);
      const other = new RequestQueue(shared, wake);
      for (let round = 0; round < 3 * shared.done.length; round++) {
        endBefore(operation, () => queue.giveBack(0));
        other.giveBack(1);
        other.giveBack(2);
        const taken = [queue.nextDone(), queue.nextDone(), queue.nextDone(), queue.nextDone()];
        // The one that was ended either is back or is not.
        expect([[0, 1, 2, -1].join(), [1, 2, -1, -1].join()]).toContain(taken.join());
      }
    },
  );

  test("of a thread that was held up for a whole round does not go into a place that has been read", () => {
    const { queue, shared } = newQueue(3);
    const { load } = Atomics;
    let isHeldUp = true;
    Reflect.set(Atomics, "load", (array: Int32Array, at: number) => {
      const value = load(array, at);
      if (isHeldUp && array === shared.integers && at === Integer.doneTail) {
        isHeldUp = false;
        for (let round = 0; round < shared.done.length; round++) {
          queue.giveBack(1);
          expect(queue.nextDone()).toBe(1);
        }
        queue.giveBack(2);
        expect(queue.nextDone()).toBe(2);
      }
      return value;
    });
    try {
      queue.giveBack(0);
    } finally {
      Reflect.set(Atomics, "load", load);
    }
    expect([queue.nextDone(), queue.nextDone()]).toEqual([0, -1]);
  });
});
