/**
 * Lists the images of a large day in parts beside each other: a store says where the next page
 * begins only with the one before it.
 *
 * @module
 */

import type { Listed } from "../s3/listing.ts";
import type { Store } from "./store.ts";

/** Images in a part: some pages. */
const PART_IMAGES = 4000;

/** Most parts. */
const PARTS_MAX = 64;

const HOURS = 24;

/** A camera, and how many images it may have. */
export interface Expected {
  readonly name: string;
  readonly images: number;
}

/**
 * Where to begin parts, as names of images: at cameras, and at hours of those with many images.
 * Whatever they are, all parts together are the whole.
 */
export function pointsOf(cameras: Iterable<Expected>, date: string): string[] {
  const sorted = [...cameras].toSorted((a, b) => byBytes(a.name, b.name));
  const all = sorted.reduce((sum, { images }) => sum + images, 0);
  const each = Math.max(PART_IMAGES, Math.ceil(all / PARTS_MAX));
  const points: string[] = [];
  let since = 0;
  for (const { name, images } of sorted) {
    const parts = Math.min(HOURS, Math.ceil(images / each));
    if (since + images > each) {
      points.push(name);
      since = 0;
    }
    for (let part = 1; part < parts; part++) {
      const hour = Math.floor((part * HOURS) / parts);
      points.push(`${name}-${date}T${String(hour).padStart(2, "0")}`);
    }
    since += images / Math.max(1, parts);
  }
  return points.toSorted(byBytes);
}

/**
 * Lists all objects below a prefix.
 *
 * @param points names after the prefix, at which parts begin
 */
export async function listInParts(
  store: Store,
  prefix: string,
  points: readonly string[],
  take: (object: Listed) => void,
): Promise<void> {
  const keys = points.map((point) => prefix + point);
  await Promise.all(
    [undefined, ...keys].map(async (startAfter, index) => {
      const end = keys[index];
      for await (const { objects } of store.list({ prefix, startAfter })) {
        const last = objects.at(-1);
        const isEnd = end !== undefined && last !== undefined && byBytes(last.key, end) > 0;
        for (const object of objects) if (!isEnd || byBytes(object.key, end) <= 0) take(object);
        if (isEnd) return;
      }
    }),
  );
}

/** The order of a store. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
