/**
 * What a camera sends, and what a hub has stored of it.
 *
 * @module
 */

import type { Hub } from "../hub/hub.ts";

/** Frame 1. */
export const header = (msg: string): string => JSON.stringify({ msg });

/** A unique JPEG, as far as a hub checks it. */
export function jpeg(name: string, size = 20_000): Buffer {
  return Buffer.concat([
    Buffer.of(0xff, 0xd8),
    Buffer.from(name.padEnd(size - 4)),
    Buffer.of(0xff, 0xd9),
  ]);
}

/** The content of the stored images, sorted. */
export function storedNames(hub: Hub): string[] {
  return hub
    .images()
    .map(({ bytes }) => bytes.subarray(2, -2).toString().trimEnd())
    .toSorted();
}
