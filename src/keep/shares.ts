/**
 * How much of the space each camera may have while space is short.
 *
 * @module
 */

import type { HeldCamera } from "./stock.ts";

/**
 * The share of each camera: its own limit, as far as it holds as much, else an equal part of what
 * those leave. No camera is pushed below an equal part of all: for that, the own limits give way.
 *
 * @param all bytes for all cameras together
 * @returns bytes, at least 1
 */
export function sharesOf(cameras: readonly HeldCamera[], all: number): Map<HeldCamera, number> {
  const claims = new Map<HeldCamera, number>();
  const others: number[] = [];
  for (const camera of cameras) {
    const { limits, bytes } = camera;
    if (limits.maxBytes > 0) claims.set(camera, Math.min(limits.maxBytes, bytes));
    else others.push(bytes);
  }
  const equal = all / Math.max(1, cameras.length);
  const claimed = sum([...claims.values()]);
  const promised = sum(others.map((bytes) => Math.min(bytes, equal)));
  const part = Math.min(1, Math.max(0, all - promised) / Math.max(1, claimed));
  const level = levelOf(others, all - claimed * part);
  return new Map(
    cameras.map((camera) => {
      const claim = claims.get(camera);
      return [camera, Math.max(1, claim === undefined ? level : claim * part)];
    }),
  );
}

/** The equal part of each, if what some do not use goes to the others. */
function levelOf(amounts: readonly number[], all: number): number {
  let [rest, count] = [all, amounts.length];
  for (const amount of amounts.toSorted((a, b) => a - b)) {
    if (amount * count > rest) break;
    rest -= amount;
    count--;
  }
  return count === 0 ? all : rest / count;
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
