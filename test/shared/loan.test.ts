import { expect, test } from "bun:test";
import { EventFd } from "../../src/os/wait.ts";
import { isPlain, Loan } from "../../src/shared/loan.ts";
import { createShared } from "../../src/shared/memory.ts";
import { StoringThread } from "../../src/shared/storing-threads.ts";

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
  receiver.reclaim();
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

test("Loan tells what the fast path has in hand", () => {
  const { shared, receiver, fastPath } = loan();
  expect(receiver.inHand).toBe(-1);
  new StoringThread(shared, FAST_PATH).begin(7);
  expect(fastPath.inHand).toBe(7);
});

test("isPlain is for events and JPEG files of usual size", () => {
  const image = { kind: "image", node: "Barn", name: "Barn", raw: undefined } as const;
  expect(isPlain({ kind: "event", node: "Barn", text: "Barn|Temp|1" }, 1)).toBe(true);
  expect([isPlain(image, 262_144), isPlain(image, 262_145)]).toEqual([true, false]);
  expect(isPlain({ ...image, raw: { height: 1, width: 1, channels: 1, item: "uint8" } }, 1)).toBe(
    false,
  );
  expect(isPlain({ kind: "heartbeat", node: "Barn" }, 1)).toBe(false);
  expect(isPlain({ kind: "test" }, 1)).toBe(false);
  expect(isPlain({ kind: "unlabelled", node: "rpi-cam" }, 1)).toBe(false);
});
