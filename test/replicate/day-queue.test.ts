import { describe, expect, test } from "bun:test";
import { DayQueue, NO_LAG, type WaitingImage } from "../../src/replicate/day-queue.ts";
import { nameOf } from "../support/archive/days.ts";

const DAY = "2021-09-23";
const image = (second: number): WaitingImage => ({
  name: nameOf(DAY, "Barn", second),
  size: 10 + second,
  storedMs: 1000 * second,
});

function queueOf(...seconds: number[]): DayQueue {
  const queue = new DayQueue(DAY);
  for (const second of seconds) queue.add(image(second));
  return queue;
}

describe("the queue of a day", () => {
  test.each([
    ["newest", [4, 3, 2, 1]],
    ["oldest", [1, 2, 3, 4]],
  ] as const)("gives the %s first", (order, expected) => {
    const queue = queueOf(1, 2, 3, 4);
    const taken = expected.map(() => queue.take(order));
    expect(taken).toEqual(expected.map(image));
    expect(queue.take(order)).toBeUndefined();
  });

  test("gives an image before its turn, once, whether it was known or not", () => {
    const queue = queueOf(1, 2, 3);
    expect(queue.take("oldest")).toEqual(image(1));
    expect([1, 2, 4, 4].map((second) => queue.claim(image(second)))).toEqual([
      undefined,
      image(2),
      image(4),
      undefined,
    ]);
    expect(queue.lag).toMatchObject({ images: 4, bytes: 11 + 12 + 13 + 14 });
    expect(queue.take("newest")).toEqual(image(3));
    expect(queue.take("newest")).toBeUndefined();
    queue.giveBack(image(4));
    expect(queue.take("newest")).toEqual(image(4));
  });

  test("takes each name in once, also after it is done, and no other names", () => {
    const queue = queueOf(1);
    expect(queue.add(image(1))).toBe(false);
    queue.done(queue.take("newest")!);
    expect(queue.add(image(1))).toBe(false);
    expect(queue.add({ ...image(2), name: "notes.txt" })).toBe(false);
    expect(queue.lag).toEqual(NO_LAG);
  });

  test("what is on its way or set aside waits until it is done", () => {
    const queue = queueOf(1, 2, 3);
    expect(queue.lag).toEqual({ images: 3, bytes: 36, oldestMs: 1000 });
    const [first, second] = [queue.take("oldest")!, queue.take("oldest")!];
    expect(queue.lag).toEqual({ images: 3, bytes: 36, oldestMs: 1000 });
    queue.done(first);
    queue.setAside(second);
    expect(queue.isBusy).toBe(false);
    expect(queue.lag).toEqual({ images: 2, bytes: 25, oldestMs: 2000 });
    queue.done(queue.take("oldest")!);
    expect(queue.take("oldest")).toBeUndefined();
    expect(queue.lag).toEqual({ images: 1, bytes: 12, oldestMs: 2000 });
    queue.comeBack();
    expect(queue.take("oldest")).toEqual(image(2));
  });

  test.each(["newest", "oldest"] as const)(
    "what was set aside comes after all others, and counts as old as it is (%s)",
    (order) => {
      const queue = queueOf(1, 2, 3);
      const bad = queue.take(order)!;
      queue.setAside(bad);
      queue.comeBack();
      expect(queue.lag).toEqual({ images: 3, bytes: 36, oldestMs: 1000 });
      const others = [queue.take(order), queue.take(order)];
      expect(others).not.toContain(bad);
      expect(queue.take(order)).toEqual(bad);
      expect(queue.take(order)).toBeUndefined();
    },
  );

  test("loses what the bucket has", () => {
    const queue = queueOf(1, 2, 3);
    queue.remove(new Set([image(2).name]));
    expect(queue.lag).toEqual({ images: 2, bytes: 24, oldestMs: 1000 });
    expect(queue.waiting).toEqual([image(1), image(3)]);
  });

  test("keeps its order over thousands, while further ones come", () => {
    const queue = new DayQueue(DAY);
    const at = (index: number): WaitingImage => ({
      name: `Barn-${DAY}T10.00.00.${String(index).padStart(6, "0")}.jpg`,
      size: 1,
      storedMs: index,
    });
    const taken: number[] = [];
    for (let index = 0; index < 10_000; index++) {
      queue.add(at(index));
      if (index % 2 === 0) taken.push(queue.take("oldest")!.storedMs);
    }
    for (let next = queue.take("oldest"); next !== undefined; next = queue.take("oldest"))
      taken.push(next.storedMs);
    expect(taken).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
  });
});
