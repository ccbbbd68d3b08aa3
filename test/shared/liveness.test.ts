import { afterEach, describe, expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { EventFd } from "../../src/os/wait.ts";
import { Liveness } from "../../src/shared/liveness.ts";
import { Loan } from "../../src/shared/loan.ts";
import { RequestQueue, NoWork } from "../../src/shared/queue.ts";
import { WRITERS_MAX } from "../../src/limits.ts";
import { createShared, Integer, RECEIVER_THREAD } from "../../src/shared/memory.ts";
import { StoringThreads } from "../../src/shared/storing-threads.ts";
import { Poller } from "../../src/zmq/poller.ts";

const wakes: EventFd[] = [];

afterEach(() => {
  for (const wake of wakes.splice(0)) closeSync(wake.fd);
});

/** The threads of a hub, all in this one. */
function newThreads(writers: number) {
  const shared = createShared(4);
  const wake = EventFd.create();
  wakes.push(wake);
  const loan = new Loan(shared, writers, wake);
  return {
    shared,
    wake,
    loan,
    storing: new StoringThreads(shared, writers),
    fastPath: new RequestQueue(shared, wake, writers),
    liveness: new Liveness(shared, new RequestQueue(shared, wake), writers, loan),
    receiver: new RequestQueue(shared, wake, RECEIVER_THREAD),
    writers: Array.from({ length: writers }, (_, writer) => new RequestQueue(shared, wake, writer)),
  };
}

describe("Liveness names", () => {
  test("nobody before it has asked", () => {
    expect(newThreads(2).liveness.silent(0)).toEqual([]);
  });

  test("the threads that have not gone round since it asked", () => {
    const { liveness, receiver, writers } = newThreads(3);
    let question = liveness.ask();
    expect(liveness.silent(question)).toEqual(["receiver", "writer 0", "writer 1", "writer 2"]);
    receiver.turn();
    writers[1]!.turn();
    expect(liveness.silent(question)).toEqual(["writer 0", "writer 2"]);
    for (const writer of [0, 2]) {
      // One that takes goes round, too.
      writers[writer]!.put(NoWork.end);
      expect(writers[writer]!.waitForWork()).toBe(NoWork.end);
    }
    expect(liveness.silent(question)).toEqual([]);
    const earlier = question;
    question = liveness.ask();
    expect(liveness.silent(question)).toHaveLength(4);
    // What was answered stays answered, whoever else asks.
    expect(liveness.silent(earlier)).toEqual([]);
  });

  test("no writer that has a slot in hand", () => {
    const { liveness, receiver, storing } = newThreads(2);
    const question = liveness.ask();
    receiver.turn();
    storing.writers[1]!.begin(0);
    expect(liveness.silent(question)).toEqual(["writer 0"]);
  });

  test("only the writers that there are, and the last one that there can be", () => {
    const { liveness, receiver, writers } = newThreads(WRITERS_MAX);
    const question = liveness.ask();
    receiver.turn();
    for (const writer of writers.slice(0, -1)) writer.turn();
    expect(liveness.silent(question)).toEqual([`writer ${WRITERS_MAX - 1}`]);
  });
});

describe("A question of Liveness", () => {
  test("wakes the receiver from its poll, and keeps it from going to sleep until it has answered", () => {
    const { liveness, receiver, wake } = newThreads(1);
    const poller = new Poller([wake]);
    expect(receiver.fallAsleep()).toBe(true);
    expect(receiver.isCalling).toBe(false);
    liveness.ask();
    poller.wait(0);
    expect(poller.readable(0)).toBe(true);
    receiver.awake();
    expect(receiver.isCalling).toBe(true);
    receiver.turn();
    expect(receiver.isCalling).toBe(false);
  });

  test("is asked again and again, past 2^31", () => {
    const { liveness, receiver, writers, shared } = newThreads(1);
    shared.integers[Integer.asked] = 2 ** 31 - 2;
    for (let round = 0; round < 4; round++) {
      const question = liveness.ask();
      expect(liveness.silent(question)).toEqual(["receiver", "writer 0"]);
      receiver.turn();
      writers[0]!.turn();
      expect(liveness.silent(question)).toEqual([]);
    }
  });
});

test("Liveness asks the fast path, too, where there is one", () => {
  const { liveness, loan, fastPath, receiver, storing } = newThreads(1);
  storing.writers[0]!.begin(0);
  const question = liveness.ask();
  receiver.turn();
  expect(liveness.silent(question)).toEqual([]);
  loan.isReady = true;
  expect(liveness.silent(question)).toEqual(["fast path"]);
  storing.fastPath.begin(0);
  expect(liveness.silent(question)).toEqual([]);
  storing.fastPath.letGo();
  fastPath.turn();
  expect(liveness.silent(question)).toEqual([]);
});
