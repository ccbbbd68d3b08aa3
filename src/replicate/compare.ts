/**
 * Compares files with what is in the bucket.
 *
 * @module
 */

import type { Sums } from "../archive/content.ts";
import type { Listed } from "../s3/listing.ts";
import type { Reader } from "./reader.ts";

/**
 * Whether the list alone shows that an object has this content: of most, the ETag is the MD5.
 *
 * @returns undefined if the store must be asked
 */
export function isListedAs({ size, etag }: Listed, own: Sums): boolean | undefined {
  if (size !== own.size) return false;
  return etag === own.md5 ? true : undefined;
}

/** The same, and asks the store if need be. Rejects with a `StoreError`. */
export async function isSame(reader: Reader, listed: Listed, own: Sums): Promise<boolean> {
  const isListed = isListedAs(listed, own);
  if (isListed !== undefined) return isListed;
  // An encrypted object, or one that was put in parts, has another ETag.
  const facts = await reader.head(listed.key);
  if (facts === undefined) return false;
  return (facts.sha256 ?? (await reader.sumOf(listed))?.sha256) === own.sha256;
}
