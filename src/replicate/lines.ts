/**
 * The event log of a day that the bucket only has in segments: the hub has ended before it was put
 * as a whole.
 *
 * @module
 */

import { type Content, sumsOf } from "../archive/content.ts";
import { isSame } from "./compare.ts";
import type { Segment } from "./inventory.ts";
import type { Reader } from "./reader.ts";

/** A segment, and what of it goes where. */
interface Piece {
  readonly segment: Segment;
  /** Bytes at its beginning that the one before it has, too. */
  readonly skip: number;
  /** Where the rest goes, in bytes. */
  readonly at: number;
}

/** Segments one after the other. */
export interface Chain {
  readonly pieces: readonly Piece[];
  /** Of all together, in bytes. */
  readonly size: number;
  /** Where lines are missing, or there twice; complete messages. */
  readonly problems: readonly string[];
}

/** Joins segments, which are in the order of their places. */
export function chainOf(segments: readonly Segment[]): Chain {
  const pieces: Piece[] = [];
  const problems: string[] = [];
  let [end, size] = [0, 0];
  for (const segment of segments) {
    const { key, at } = segment;
    if (at > end)
      problems.push(`Lines are missing before ${key} in the bucket: ${at - end} bytes of the log`);
    if (at < end) problems.push(`${key} in the bucket begins before the one before it ends`);
    const skip = Math.max(0, end - at);
    if (skip >= segment.size) continue;
    pieces.push({ segment, skip, at: size });
    size += segment.size - skip;
    end = at + segment.size;
  }
  return { pieces, size, problems };
}

/**
 * The first segment that has other lines than a log in their place. Rejects with a `StoreError`, or
 * a `ReadError` if the log cannot be read.
 *
 * @returns undefined if the log begins with all of them
 */
export async function firstOther(
  reader: Reader,
  log: Content,
  { pieces }: Chain,
): Promise<Segment | undefined> {
  for (const { segment, skip, at } of pieces) {
    const size = segment.size - skip;
    if (skip > 0 || at + size > log.size) return segment;
    if (!(await isSame(reader, segment, sumsOf({ fd: log.fd, at, size })))) return segment;
  }
  return undefined;
}
