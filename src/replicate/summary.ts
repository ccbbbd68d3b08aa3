/**
 * What a day in the bucket holds, for a calendar: one for each manifest, of what that one lists. It
 * is made just after it. If it is missing, the manifest and the list of its images say the same.
 *
 * @module
 */

import * as z from "zod";
import { logMember, parseMember } from "../archive/layout.ts";
import { parseJson } from "../protocol/json.ts";
import { parseImageFileName } from "../protocol/names.ts";
import { type Bucket, sha256Of } from "../s3/bucket.ts";
import { readRecord } from "../store/log-files.ts";
import type { Keys } from "./layout.ts";
import type { Link } from "./link.ts";
import { segmentsOf } from "./log-end.ts";
import { putOnce, readText } from "./object.ts";

const count = z.int().min(0);

const schema = z.object({
  version: z.literal(1),
  date: z.string(),
  /** In which all times of the day are. */
  time_zone: z.string(),
  images: count,
  bytes: count,
  /** Lines of the event log that are from cameras. */
  events: count,
  /** In alphabetical order. */
  cameras: z.array(
    z.object({
      name: z.string(),
      images: count,
      bytes: count,
      /** The names of its first and its last image. */
      first: z.string(),
      last: z.string(),
    }),
  ),
});

/** What a day in the bucket holds. */
export type BucketDay = z.infer<typeof schema>;

/** Reads a summary; undefined if it is none of this day. */
export function parseSummary(text: string, date: string): BucketDay | undefined {
  const { data } = schema.safeParse(parseJson(text));
  return data?.date === date ? data : undefined;
}

/** A camera while its images are counted, with the times of the first and the last one. */
interface Counted extends Omit<BucketDay["cameras"][number], "name"> {
  from: number;
  to: number;
}

/**
 * Counts images.
 *
 * @param images names and sizes in bytes; names that are not those of images are left out
 * @param events how many there are
 */
export function countImages(
  date: string,
  images: Iterable<readonly [name: string, bytes: number]>,
  events: number,
  timeZone: string,
): BucketDay {
  const cameras = new Map<string, Counted>();
  let [total, totalBytes] = [0, 0];
  for (const [name, bytes] of images) {
    const parsed = parseImageFileName(name, date);
    if (parsed === undefined) continue;
    const { camera, micros } = parsed;
    let of = cameras.get(camera);
    if (of === undefined) {
      of = { images: 0, bytes: 0, first: name, last: name, from: micros, to: micros };
      cameras.set(camera, of);
    }
    of.images++;
    of.bytes += bytes;
    if (micros < of.from) [of.from, of.first] = [micros, name];
    if (micros >= of.to) [of.to, of.last] = [micros, name];
    total++;
    totalBytes += bytes;
  }
  const sorted = [...cameras]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, of]) => {
      return { name, images: of.images, bytes: of.bytes, first: of.first, last: of.last };
    });
  const all = { images: total, bytes: totalBytes, events, cameras: sorted };
  return { version: 1, date, time_zone: timeZone, ...all };
}

/** Lines of an event log that are from cameras. */
export function countEvents(text: string, date: string): number {
  let events = 0;
  for (const line of text.split("\n")) {
    if (!line.startsWith(date) || !line.includes("|")) continue;
    if (readRecord(line)?.text.includes("|") === true) events++;
  }
  return events;
}

/** What is needed to put one. */
export interface SummaryParts {
  readonly bucket: Bucket;
  readonly link: Pick<Link, "call">;
  readonly keys: Keys;
}

/**
 * Puts the summary of a manifest, unless it is there.
 *
 * @param number of the manifest, from 1
 * @param members the paths in it
 * @throws {Error} as {@link putOnce}
 */
export async function putSummary(
  parts: SummaryParts,
  date: string,
  number: number,
  members: ReadonlySet<string>,
): Promise<void> {
  // A damaged manifest says nothing.
  if (members.size === 0) return;
  const { bucket, link, keys } = parts;
  const key = keys.summary(date, number);
  if ((await link.call(async (options) => bucket.head(key, options))) !== undefined) return;
  const log = logMember(date).path;
  let events = 0;
  // A log that lacks lines of the bucket is only there in segments.
  const keysOfLines = members.has(log)
    ? [keys.of(log)]
    : number === 1
      ? (await segmentsOf(parts, date)).map((segment) => segment.key)
      : [];
  for (const each of keysOfLines) {
    const text = await link.call(async (options) => readText(bucket, each, options));
    events += countEvents(text ?? "", date);
  }
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const sizes = await sizesOf(parts, date, members);
  const summary = countImages(date, sizes, events, timeZone);
  const body = new TextEncoder().encode(`${JSON.stringify(summary)}\n`);
  const object = { body, contentType: "application/json", sha256: sha256Of(body) };
  // Somebody else may have made one of the same manifest.
  await putOnce(parts, key, object);
}

/** What the bucket has of the images among some members. */
async function sizesOf(
  { bucket, link, keys }: SummaryParts,
  date: string,
  members: ReadonlySet<string>,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  const above = keys.of("").length;
  let startAfter: string | undefined;
  await link.call(async (options) => {
    const prefix = keys.imagesOf(date);
    for await (const { objects } of bucket.list({ prefix, startAfter }, options))
      for (const { key, size } of objects) {
        startAfter = key;
        const path = key.slice(above);
        if (members.has(path)) sizes.set(parseMember(path, date)!.name, size);
      }
  });
  return sizes;
}
