import { expect, test } from "bun:test";
import { StallWatch } from "../../src/receiver/stall-watch.ts";
import { createShared, Integer } from "../../src/shared/memory.ts";

test("StallWatch tells how long a writer has had the same request, from when it was seen with it first", () => {
  const shared = createShared(4);
  const { integers } = shared;
  const watch = new StallWatch(shared, 2);
  const take = (writer: number, slot: number): void => {
    integers[Integer.inHand + writer] = slot + 1;
    integers[Integer.taken + writer]!++;
  };
  expect(watch.longestMs(50_000)).toBe(0);
  take(0, 3);
  expect(watch.longestMs(60_000)).toBe(0);
  expect(watch.longestMs(61_500)).toBe(1500);
  // The other one goes on, also with the same slot again.
  take(1, 2);
  expect(watch.longestMs(62_000)).toBe(2000);
  integers[Integer.inHand] = 0;
  expect(watch.longestMs(62_500)).toBe(500);
  take(1, 2);
  expect(watch.longestMs(63_000)).toBe(0);
  integers[Integer.inHand + 1] = 0;
  expect(watch.longestMs(90_000)).toBe(0);
});

test("StallWatch tells the same of one thread alone", () => {
  const shared = createShared(4);
  const { integers } = shared;
  const watch = new StallWatch(shared, 3);
  const take = (slot: number): void => {
    integers[Integer.taken + 2]!++;
    integers[Integer.inHand + 2] = slot + 1;
  };
  const heldMs = (...looks: number[]): number[] => looks.map((nowMs) => watch.heldMs(2, nowMs));
  expect(heldMs(0, 50)).toEqual([0, 0]);
  take(7);
  expect(heldMs(100, 105)).toEqual([0, 5]);
  take(8);
  expect(heldMs(150, 169, 170)).toEqual([0, 19, 20]);
  integers[Integer.inHand + 2] = 0;
  expect(heldMs(220, 270)).toEqual([0, 0]);
  take(8);
  expect(heldMs(320, 370)).toEqual([0, 50]);
  // The others have had nothing.
  expect(watch.longestMs(400)).toBe(80);
});
