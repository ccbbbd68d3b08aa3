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

/** A part: after one key up to another, which is in it. */
interface Part {
  readonly after: string | undefined;
  readonly end: string | undefined;
}

/** Lists all of a day. @param take is told each object once, in any order */
export async function listDay(range: DayRange, take: (object: Listed) => void): Promise<void> {
  await listPart(range, { after: undefined, end: undefined }, 0, take);
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
  { after, end }: Part,
  cuts: number,
  take: (object: Listed) => void,
): Promise<void> {
  const { store, prefix } = range;
  let isFirst = true;
  for await (const { objects } of store.list({ prefix, startAfter: after })) {
    const last = objects.at(-1);
    if (last === undefined) return;
    const isEnd = end !== undefined && byBytes(last.key, end) > 0;
    for (const object of objects) if (!isEnd || byBytes(object.key, end) <= 0) take(object);
    if (isEnd) return;
    if (!isFirst || objects.length < PAGE || cuts >= CUTS_MAX) continue;
    isFirst = false;
    const points = (await pointsAfter(range, objects, cuts)).filter((point) => {
      return byBytes(point, last.key) > 0 && (end === undefined || byBytes(point, end) < 0);
    });
    if (points.length === 0) continue;
    const parts = [last.key, ...points].map((key, index) => ({
      after: key,
      end: points[index] ?? end,
    }));
    await Promise.all(parts.map(async (part) => listPart(range, part, cuts + 1, take)));
    return;
  }
}

/** Where to cut what follows a page: first at cameras, then at times. They are in order. */
async function pointsAfter(
  range: DayRange,
  page: readonly Listed[],
  cuts: number,
): Promise<string[]> {
  const { prefix } = range;
  if (cuts > 0) return timesAfter(range, page);
  const cameras = (await camerasOf(range, page.at(-1)!.key)).toSorted(byBytes);
  const each = Math.ceil(cameras.length / PARTS_MAX);
  // The first one may be that of the page.
  return cameras.filter((_, index) => index % each === 0).map((camera) => prefix + camera);
}

/** Times of the page's camera that are as far apart as a page is long. */
function timesAfter({ prefix, date, until }: DayRange, page: readonly Listed[]): string[] {
  const [first, last] = [page[0]!, page.at(-1)!].map(({ key }) =>
    parseImageFileName(key.slice(prefix.length), date),
  );
  if (first === undefined || last === undefined || first.camera !== last.camera) return [];
  const [length, rest] = [Math.max(1, last.micros - first.micros), until - last.micros];
  const parts = Math.min(PARTS_MAX, Math.floor(rest / length));
  return Array.from({ length: Math.max(0, parts) }, (_, index) => {
    const time = timeText(Math.floor(last.micros + (rest * (index + 1)) / (parts + 1)));
    return `${prefix}${last.camera}-${date}T${time.replaceAll(":", ".")}`;
  });
}

/** The order of a store. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
