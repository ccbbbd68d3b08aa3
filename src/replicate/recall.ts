/**
 * Finds out from the bucket what of a day is in it, when its journal is gone.
 *
 * @module
 */

import { imageMember, type Member } from "../archive/layout.ts";
import { type Bucket, sha256Of } from "../s3/bucket.ts";
import type { Listed } from "../s3/listing.ts";
import { DataDirectoryGone } from "../store/data-guard.ts";
import type { DayQueue } from "./day-queue.ts";
import type { Journal } from "./journal.ts";
import type { Keys } from "./layout.ts";
import type { Link } from "./link.ts";
import { md5Of } from "./object.ts";
import { readMember, type ReadParts } from "./read.ts";

/** What is needed to find out. */
export interface RecallParts extends ReadParts {
  readonly bucket: Bucket;
  readonly link: Pick<Link, "call">;
  readonly keys: Keys;
}

/**
 * Takes out of a queue what the bucket has, and notes it in the journal. What it has in another
 * form is put, and then compared.
 *
 * @throws {StoreError} as {@link Link.call}
 * @throws {DataDirectoryGone}
 */
export async function recall(parts: RecallParts, queue: DayQueue, journal: Journal): Promise<void> {
  const { bucket, link, keys } = parts;
  const prefix = keys.imagesOf(queue.date);
  const waiting = new Map(queue.waiting.map((image) => [image.name, image]));
  const there = new Set<string>();
  let startAfter: string | undefined;
  const takePage = (objects: readonly Listed[]): void => {
    for (const { key, size, etag } of objects) {
      startAfter = key;
      // Its own name, and not a part of the page, which would stay in memory with it.
      const { name, size: sizeHere } = waiting.get(key.slice(prefix.length)) ?? {};
      if (name === undefined || sizeHere !== size) continue;
      const member = imageMember(queue.date, name);
      const bytes = tryToRead(parts, queue.date, member);
      if (bytes === undefined || md5Of(bytes) !== etag) continue;
      journal.note(member.path, sha256Of(bytes));
      there.add(name);
    }
  };
  if (waiting.size > 0)
    await link.call(async (options) => {
      for await (const { objects } of bucket.list({ prefix, startAfter }, options))
        takePage(objects);
    });
  queue.remove(there);
}

/** @returns undefined if it cannot be read: it waits, and whoever puts it says why */
function tryToRead(parts: ReadParts, date: string, member: Member): Uint8Array | undefined {
  try {
    return readMember(parts, date, member)?.bytes;
  } catch (error) {
    if (error instanceof DataDirectoryGone) throw error;
    return undefined;
  }
}
