/**
 * The event log of a day that the bucket only has in segments: the hub has ended before it was put
 * as a whole.
 *
 * @module
 */

import type { Content } from "../archive/content.ts";
import { isSame, sumsOf } from "./compare.ts";
import type { Segment } from "./inventory.ts";
import type { Reader } from "./reader.ts";

/** A segment, and what of it goes where. */
export interface Piece {
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
 * Whether a log begins with the lines of segments. Rejects with a `StoreError`, or a `ReadError` if
 * the log cannot be read.
 */
export async function beginsWith(
  reader: Reader,
  log: Content,
  { pieces, size }: Chain,
): Promise<boolean> {
  if (log.size < size) return false;
  for (const { segment, skip, at } of pieces) {
    const own = sumsOf({ fd: log.fd, at, size: segment.size - skip });
    if (skip > 0 || !(await isSame(reader, segment, own))) return false;
  }
  return true;
}
