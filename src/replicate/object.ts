/**
 * Puts what is nowhere else, and compares it with what is there already.
 *
 * @module
 */

import { type Bucket, type NewObject, type ObjectFacts, sha256Of } from "../s3/bucket.ts";
import type { CallOptions } from "../s3/deadline.ts";
import type { Link } from "./link.ts";

/** Longest text that is read from the bucket, in bytes: a manifest of a million images. */
const TEXT_BYTES_MAX = 256 * 2 ** 20;

/** How often an object is put that is there one time and is not the next. */
const TRIES_MAX = 5;

/** MD5 in hexadecimal. A store gives an object that was put at once this ETag. */
export function md5Of(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("md5").update(bytes).digest("hex");
}

/** Where an object goes. */
export interface ObjectParts {
  readonly bucket: Bucket;
  readonly link: Pick<Link, "call">;
}

/**
 * Puts an object.
 *
 * @returns `same` if it is there now, whoever put it; otherwise what is there instead
 * @throws {Error} as {@link Link.call}, or if the store contradicts itself
 */
export async function putOnce(
  { bucket, link }: ObjectParts,
  key: string,
  object: NewObject & { readonly sha256: string },
): Promise<"same" | ObjectFacts> {
  const { body } = object;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const outcome = await link.call(
      async (options) => bucket.put(key, object, options),
      body.byteLength,
    );
    if (outcome === "stored") return "same";
    const there = await link.call(async (options) => bucket.head(key, options));
    // Somebody has just removed it.
    if (there === undefined) continue;
    return (await isSame({ bucket, link }, key, object, there)) ? "same" : there;
  }
  throw new Error("The store says that it is there, and that it is not");
}

/** Whether what is there is this object. @throws as {@link Link.call} */
export async function isSame(
  { bucket, link }: ObjectParts,
  key: string,
  { body, sha256 }: NewObject & { readonly sha256: string },
  there: ObjectFacts,
): Promise<boolean> {
  if (there.size !== body.byteLength) return false;
  if (there.sha256 !== undefined) return there.sha256 === sha256;
  // Another program has put it, and only says what a store says.
  if (there.etag === md5Of(body)) return true;
  const bytes = await link.call(
    async (options) => readBytes(bucket, key, options),
    body.byteLength,
  );
  return bytes !== undefined && sha256Of(bytes) === sha256;
}

/** The text of an object; undefined if it is not there. @throws {StoreError} */
export async function readText(
  bucket: Bucket,
  key: string,
  options: CallOptions,
): Promise<string | undefined> {
  return (await readBytes(bucket, key, options))?.toString();
}

/** The content of an object; undefined if it is not there. @throws {StoreError} */
export async function readBytes(
  bucket: Bucket,
  key: string,
  options: CallOptions,
): Promise<Buffer | undefined> {
  const content = await bucket.get(key, options);
  if (content === undefined) return undefined;
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of content.chunks) {
    parts.push(part);
    if ((length += part.byteLength) > TEXT_BYTES_MAX) throw new Error(`${key} is too long`);
  }
  return Buffer.concat(parts);
}
