import { expect, test } from "bun:test";
import { StallWatch } from "../../src/receiver/stall-watch.ts";
import { createShared } from "../../src/shared/memory.ts";
import { StoringThreads } from "../../src/shared/storing-threads.ts";

test("StallWatch tells how long a writer has had the same request, from when it was seen with it first", () => {
  const threads = new StoringThreads(createShared(4), 1);
  const watch = new StallWatch(threads);
  const take = (thread: number, slot: number): void => threads.all[thread]!.begin(slot);
  expect(watch.longestMs(50_000)).toBe(0);
  take(0, 3);
  expect(watch.longestMs(60_000)).toBe(0);
  expect(watch.longestMs(61_500)).toBe(1500);
  // The other one goes on, also with the same slot again.
  take(1, 2);
  expect(watch.longestMs(62_000)).toBe(2000);
  threads.all[0]!.letGo();
  expect(watch.longestMs(62_500)).toBe(500);
  take(1, 2);
  expect(watch.longestMs(63_000)).toBe(0);
  threads.all[1]!.letGo();
  expect(watch.longestMs(90_000)).toBe(0);
});

test("StallWatch tells the same of one thread alone", () => {
  const threads = new StoringThreads(createShared(4), 2);
  const { fastPath } = threads;
  const watch = new StallWatch(threads);
  const take = (slot: number): void => fastPath.begin(slot);
  const heldMs = (...looks: number[]): number[] =>
    looks.map((nowMs) => watch.heldMs(fastPath, nowMs));
  expect(heldMs(0, 50)).toEqual([0, 0]);
  take(7);
  expect(heldMs(100, 105)).toEqual([0, 5]);
  take(8);
  expect(heldMs(150, 169, 170)).toEqual([0, 19, 20]);
  fastPath.letGo();
  expect(heldMs(220, 270)).toEqual([0, 0]);
  take(8);
  expect(heldMs(320, 370)).toEqual([0, 50]);
  // The others have had nothing.
  expect(watch.longestMs(400)).toBe(80);
});
