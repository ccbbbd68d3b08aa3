/**
 * The event log of a day that the bucket only has in segments: the hub has ended before it was put
 * as a whole.
 *
 * @module
 */

import { type Content, sumsOf } from "../archive/content.ts";
import { isSame } from "./compare.ts";
import type { Segment } from "./inventory.ts";
import { placeOf } from "./log-end.ts";
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
 * @param first where the log begins
 * @returns undefined if the log begins with all of them
 */
export async function firstOther(
  reader: Reader,
  log: Content,
  { pieces }: Pick<Chain, "pieces">,
  first = 0,
): Promise<Segment | undefined> {
  const from = pieces[first]?.at ?? 0;
  for (const { segment, skip, at } of pieces.slice(first)) {
    const size = segment.size - skip;
    if (skip > 0 || at - from + size > log.size) return segment;
    if (!(await isSame(reader, segment, sumsOf({ fd: log.fd, at: at - from, size }))))
      return segment;
  }
  return undefined;
}

/**
 * The segments without those at the end that a log begins with: the log of a new disk goes on after
 * the lines of the one before. Rejects as {@link firstOther}.
 *
 * @returns the same chain if there are none
 */
export async function withoutEnd(reader: Reader, log: Content, chain: Chain): Promise<Chain> {
  const { pieces, problems } = chain;
  const last = pieces.at(-1);
  const parts = { bucket: reader.bucket, link: reader };
  const found = last && (await placeOf(parts, log.fd, last.segment));
  if (found === undefined) return chain;
  const size = last!.at - found;
  const first = pieces.findIndex(({ at }) => at === size);
  if (first < 0 || (await firstOther(reader, log, chain, first)) !== undefined) return chain;
  return { pieces: pieces.slice(0, first), size, problems };
}
