/**
 * Lists the images of a day. A large one is listed in parts beside each other: where the next page
 * of a list begins, a store says only with the one before it. Where the parts begin is a guess.
 * Together they are the whole, whatever the guess is.
 *
 * @module
 */

import { parseImageFileName } from "../protocol/names.ts";
import { StoreError } from "../s3/errors.ts";
import type { Listed } from "../s3/listing.ts";
import { timeText } from "../view/query.ts";
import type { Store } from "./store.ts";

/** Objects in a page that is not the last one. */
const PAGE = 1000;

/** Most parts that one is cut into. */
const PARTS_MAX = 32;

/** What has fewer pages is not cut: each part may end with a page that is not needed. */
const PAGES_MIN = 3;

/** How often a part is cut again. */
const CUTS_MAX = 3;

/** What is listed. */
export interface DayRange {
  readonly store: Store;
  /** What all keys begin with. */
  readonly prefix: string;
  readonly date: string;
  /** Until when images are expected, in microseconds since midnight. */
  readonly until: number;
}

/** A part: after one key up to another, which is in it; or to the last one with its prefix. */
interface Part {
  readonly prefix: string;
  readonly after: string | undefined;
  readonly end?: string | undefined;
}

/** Lists all of a day. @param take is told each object once, in any order */
export async function listDay(range: DayRange, take: (object: Listed) => void): Promise<void> {
  await listPart(range, { prefix: range.prefix, after: undefined }, 0, take);
}

/** The cameras of a day; none if the store cannot tell them. @param after only after this key */
export async function camerasOf(
  { store, prefix, date }: Omit<DayRange, "until">,
  after?: string,
): Promise<string[]> {
  const delimiter = `-${date}T`;
  const cameras: string[] = [];
  try {
    for await (const { prefixes } of store.list({ prefix, delimiter, startAfter: after }))
      cameras.push(...prefixes.map((each) => each.slice(prefix.length, -delimiter.length)));
  } catch (error) {
    // Not all stores know such a delimiter.
    if (!(error instanceof StoreError && error.problem === "other")) throw error;
  }
  return cameras;
}

async function listPart(
  range: DayRange,
  part: Part,
  cuts: number,
  take: (object: Listed) => void,
): Promise<void> {
  const { prefix, after, end } = part;
  let isFirst = true;
  for await (const { objects } of range.store.list({ prefix, startAfter: after })) {
    const last = objects.at(-1);
    if (last === undefined) return;
    const isEnd = end !== undefined && byBytes(last.key, end) > 0;
    for (const object of objects) if (!isEnd || byBytes(object.key, end) <= 0) take(object);
    if (isEnd) return;
    if (!isFirst || objects.length < PAGE || cuts >= CUTS_MAX) continue;
    isFirst = false;
    const rest = { ...part, after: last.key };
    const parts =
      cuts === 0 ? await byCameras(range, rest) : cutAt(rest, timesAfter(range, objects));
    if (parts.length < 2) continue;
    await Promise.all(parts.map(async (each) => listPart(range, each, cuts + 1, take)));
    return;
  }
}

/** Cuts the rest of a day at its cameras. */
async function byCameras(range: DayRange, rest: Part): Promise<Part[]> {
  const { prefix, date } = range;
  const cameras = (await camerasOf(range, rest.after)).toSorted(byBytes);
  if (cameras.length > PARTS_MAX) {
    const each = Math.ceil(cameras.length / PARTS_MAX);
    const some = cameras.filter((_, index) => index % each === 0);
    return cutAt(
      rest,
      some.map((camera) => prefix + camera),
    );
  }
  if (cameras.length === 0) return [];
  // Only what is of a camera is an image. Stores differ in whether they tell the camera of the key
  // after which they are asked.
  const { after = "" } = rest;
  const delimiter = `-${date}T`;
  const at = after.indexOf(delimiter, prefix.length);
  const begun = at < 0 ? undefined : after.slice(0, at + delimiter.length);
  const others = cameras.map((camera) => prefix + camera + delimiter);
  return [
    ...(begun === undefined ? [] : [{ prefix: begun, after }]),
    ...others.filter((own) => own !== begun).map((own) => ({ prefix: own, after: undefined })),
  ];
}

/** Cuts a part at keys, which are in order. */
function cutAt(part: Part, keys: readonly string[]): Part[] {
  const { prefix, after = "", end } = part;
  const points = keys.filter((key) => {
    return byBytes(key, after) > 0 && (end === undefined || byBytes(key, end) < 0);
  });
  return [after, ...points].map((key, index) => ({
    prefix,
    after: key,
    end: points[index] ?? end,
  }));
}

/** Times of the page's camera that are as far apart as a page is long. */
function timesAfter({ prefix, date, until }: DayRange, page: readonly Listed[]): string[] {
  const [first, last] = [page[0]!, page.at(-1)!].map(({ key }) =>
    parseImageFileName(key.slice(prefix.length), date),
  );
  if (first === undefined || last === undefined || first.camera !== last.camera) return [];
  const [length, rest] = [Math.max(1, last.micros - first.micros), until - last.micros];
  const pages = Math.min(PARTS_MAX, Math.ceil(rest / length));
  if (pages < PAGES_MIN) return [];
  return Array.from({ length: pages - 1 }, (_, index) => {
    const time = timeText(Math.floor(last.micros + (rest * (index + 1)) / pages));
    return `${prefix}${last.camera}-${date}T${time.replaceAll(":", ".")}`;
  });
}

/** The order of a store. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
