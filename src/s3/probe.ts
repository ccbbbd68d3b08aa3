/**
 * Tries whether a bucket does what replication needs.
 *
 * @module
 */

import { type Bucket, type NewObject, sha256Of } from "./bucket.ts";
import type { CallOptions } from "./deadline.ts";

/**
 * Puts a small object under a key that is free, puts another under the same key, which must be
 * refused, and looks at it in every way that a hub does. Rejects with a `StoreError` if a call
 * fails.
 *
 * @param tell called with what has worked so far
 * @returns what the store does wrong; undefined: nothing
 */
export async function probe(
  bucket: Bucket,
  key: string,
  tell: (done: string) => void,
  options: CallOptions = {},
): Promise<string | undefined> {
  const first = objectOf(`A test of imagehub, ${new Date().toISOString()}\n`);
  const second = objectOf("This must not be stored\n");
  if ((await bucket.put(key, first, options)) !== "stored")
    return `It says that ${key} is there already, but nobody has put it`;
  tell(`Stored ${key}`);
  if ((await bucket.put(key, second, options)) !== "exists")
    return "But it overwrites: it does not know If-None-Match with a put, so what is there could be lost";
  tell("It refuses to overwrite it");
  const found = await bucket.head(key, options);
  if (found?.size !== first.body.length || found.sha256 !== first.sha256)
    return "But it does not give back the size and the SHA-256 that were put with the object";
  if (!(await isListed(bucket, key, first.body.length, options))) return "But it does not list it";
  tell("It lists it");
  if ((await read(bucket, key, options)) !== first.sha256)
    return "But it gives back other bytes than were put";
  tell("It gives it back as it was");
  return undefined;
}

function objectOf(text: string): NewObject {
  const body = new TextEncoder().encode(text);
  return { body, contentType: "text/plain; charset=utf-8", sha256: sha256Of(body) };
}

async function isListed(
  bucket: Bucket,
  key: string,
  size: number,
  options: CallOptions,
): Promise<boolean> {
  for await (const { objects } of bucket.list({ prefix: key }, options))
    if (objects.some((each) => each.key === key && each.size === size)) return true;
  return false;
}

/** @returns the SHA-256 of the object */
async function read(bucket: Bucket, key: string, options: CallOptions): Promise<string> {
  const content = await bucket.get(key, options);
  const parts: Uint8Array[] = [];
  for await (const part of content?.chunks ?? []) parts.push(part);
  return sha256Of(Buffer.concat(parts));
}
