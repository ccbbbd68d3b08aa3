import { expect, test } from "bun:test";
import { EventFd } from "../../src/libc.ts";
import { isPlain, Loan } from "../../src/receiver/loan.ts";
import { createShared, Integer } from "../../src/threads/shared.ts";

const FAST_PATH = 2;

function loan() {
  const shared = createShared(4);
  const ends = () => new Loan(shared, FAST_PATH, EventFd.create());
  const fastPath = ends();
  fastPath.isReady = true;
  return { shared, receiver: ends(), fastPath };
}

test("Loan gives the socket to the fast path and takes it back", () => {
  const { receiver, fastPath } = loan();
  expect(fastPath.begin()).toBe(false);
  receiver.lend();
  expect(receiver.isOut).toBe(true);
  expect(fastPath.begin()).toBe(true);
  fastPath.end();
  receiver.takeBack();
  expect(receiver.isOut).toBe(false);
  expect(fastPath.begin()).toBe(false);
});

test("Loan does not give the socket to a fast path that has ended", () => {
  const { receiver, fastPath } = loan();
  fastPath.isReady = false;
  receiver.lend();
  expect([receiver.isOut, fastPath.begin()]).toEqual([false, false]);
});

test("Loan is over for both when the fast path gives the socket back", () => {
  const { receiver, fastPath } = loan();
  receiver.lend();
  expect(fastPath.begin()).toBe(true);
  fastPath.giveBack();
  fastPath.end();
  expect([receiver.isOut, fastPath.begin()]).toEqual([false, false]);
});

test("Loan sees a fast path as stuck that has the same request in hand at a later look, and no other one", () => {
  const { shared, receiver, fastPath } = loan();
  const take = (slot: number): void => {
    shared.integers[Integer.taken + FAST_PATH]!++;
    shared.integers[Integer.inHand + FAST_PATH] = slot + 1;
  };
  receiver.lend();
  expect([receiver.isStuck(0), receiver.isStuck(50)]).toEqual([false, false]);
  take(7);
  expect(fastPath.inHand).toBe(7);
  // The first look, and one that comes too soon after it.
  expect([receiver.isStuck(100), receiver.isStuck(105)]).toEqual([false, false]);
  take(8);
  expect([receiver.isStuck(150), receiver.isStuck(169), receiver.isStuck(170)]).toEqual([false, false, true]);
  shared.integers[Integer.inHand + FAST_PATH] = 0;
  expect([receiver.isStuck(220), receiver.isStuck(270)]).toEqual([false, false]);
  take(8);
  expect([receiver.isStuck(320), receiver.isStuck(370)]).toEqual([false, true]);
});

test("isPlain is for events and JPEG files of usual size", () => {
  const image = { kind: "image", node: "Barn", name: "Barn", raw: undefined } as const;
  expect(isPlain({ kind: "event", node: "Barn", text: "Barn|Temp|1" }, 1)).toBe(true);
  expect([isPlain(image, 262_144), isPlain(image, 262_145)]).toEqual([true, false]);
  expect(isPlain({ ...image, raw: { height: 1, width: 1, channels: 1 } }, 1)).toBe(false);
  expect(isPlain({ kind: "heartbeat", node: "Barn" }, 1)).toBe(false);
  expect(isPlain({ kind: "test" }, 1)).toBe(false);
});
