/**
 * How far an event log is in the bucket, by the segments that are there. They may be of another
 * log: that of a disk that is gone, or this one before a power cut has taken its last lines.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { sha256Of } from "../s3/bucket.ts";
import type { Listed } from "../s3/listing.ts";
import { type Keys, placeOfSegment } from "./layout.ts";
import { isSame, type ObjectParts, readBytes } from "./object.ts";
import { readRange } from "./read.ts";

/** How much of a log is searched at a time, in bytes. */
const SEARCH_BYTES = 16 * 2 ** 20;

const LINES_TYPE = "text/plain";

/** A segment, and where it begins, in bytes. */
export interface PlacedSegment extends Listed {
  readonly at: number;
}

/** Where a log goes on. */
export interface LogEnd {
  /** So much of the log is in the bucket, in bytes. */
  readonly at: number;
  /** What comes in the bucket before the log, in bytes: usually nothing. */
  readonly shift: number;
}

/** The segments of a day, in their order. @throws as `Link.call` */
export async function segmentsOf(
  { bucket, link, keys }: ObjectParts & { readonly keys: Keys },
  date: string,
): Promise<PlacedSegment[]> {
  return await link.call(async (options) => {
    const segments: PlacedSegment[] = [];
    for await (const page of bucket.list({ prefix: keys.segmentsOf(date) }, options))
      for (const object of page.objects) {
        const at = placeOfSegment(object.key);
        if (at !== undefined) segments.push({ ...object, at });
      }
    return segments;
  });
}

/**
 * Finds out where a log goes on. One that does not have the last segment goes on after it, with the
 * first line that is in no segment in its place: a line may be in the bucket twice, but none is
 * missing there.
 *
 * @param fd of the log, open for reading
 * @throws as `Link.call`, {SystemError} and {Error} of node:fs
 */
export async function endInBucket(
  parts: ObjectParts,
  fd: number,
  segments: readonly PlacedSegment[],
): Promise<LogEnd> {
  const last = segments.at(-1);
  if (last === undefined) return { at: 0, shift: 0 };
  const end = last.at + last.size;
  if (await hasAt(parts, fd, last, last.at)) return { at: end, shift: 0 };
  const found = await placeOf(parts, fd, last);
  const at = found === undefined ? await commonEnd(parts, fd, segments) : found + last.size;
  return { at, shift: end - at };
}

/**
 * Whether a log has the lines of all segments. If it has the last one in its place, it has those
 * before it.
 *
 * @param fd of the log, open for reading
 * @throws as {@link endInBucket}
 */
export async function hasAll(
  parts: ObjectParts,
  fd: number,
  segments: readonly PlacedSegment[],
): Promise<boolean> {
  const last = segments.at(-1);
  if (last === undefined || (await hasAt(parts, fd, last, last.at))) return true;
  // Lines that it got from elsewhere may come before them.
  const found = await placeOf(parts, fd, last);
  if (found === undefined) return false;
  for (const segment of segments)
    if (!(await hasAt(parts, fd, segment, found - last.at + segment.at))) return false;
  return true;
}

/** Whether a log has the lines of a segment at a place. */
async function hasAt(
  parts: ObjectParts,
  fd: number,
  segment: Listed,
  at: number,
): Promise<boolean> {
  const { key, size } = segment;
  if (at < 0 || at + size > fstatSync(fd).size) return false;
  const body = readRange(fd, at, size);
  const object = { body, contentType: LINES_TYPE, sha256: sha256Of(body) };
  return await isSame(parts, key, object, { ...segment, sha256: undefined });
}

/** Where a log first has the lines of a segment; undefined: nowhere. */
export async function placeOf(
  { bucket, link }: ObjectParts,
  fd: number,
  { key, size }: Listed,
): Promise<number | undefined> {
  const wanted = await link.call(async (options) => readBytes(bucket, key, options), size);
  if (wanted === undefined || wanted.length === 0) return undefined;
  const end = fstatSync(fd).size;
  // The pieces overlap, so that one has all of it.
  for (let at = 0; at + wanted.length <= end; at += SEARCH_BYTES) {
    const piece = readRange(fd, at, Math.min(SEARCH_BYTES + wanted.length, end - at));
    const hit = piece.indexOf(wanted);
    if (hit >= 0) return at + hit;
  }
  return undefined;
}

/** How much of a log is as in the segments, in bytes. */
async function commonEnd(
  parts: ObjectParts,
  fd: number,
  segments: readonly PlacedSegment[],
): Promise<number> {
  let [same, other] = [0, segments.length];
  while (same < other) {
    const middle = (same + other) >> 1;
    const segment = segments[middle]!;
    if (await hasAt(parts, fd, segment, segment.at)) same = middle + 1;
    else other = middle;
  }
  const last = segments[same - 1];
  return last === undefined ? 0 : last.at + last.size;
}
