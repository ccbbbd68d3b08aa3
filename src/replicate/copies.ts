/**
 * What is in the bucket, for deleting, if there is a bucket that must have it. The rest is loaded
 * only then.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import type { Copies } from "../keep/copies.ts";
import type { DataDirectory } from "../store/data-directory.ts";

/**
 * Asks the bucket. Never rejects: why it cannot be asked is in the answer.
 *
 * @param onProgress is told that the bucket answers
 * @returns undefined if nothing has to be there
 */
export async function copiesInBucket(
  settings: Settings["replicate"],
  directory: DataDirectory,
  onProgress?: () => void,
): Promise<Copies | undefined> {
  if (settings.endpoint === "" || !settings.required) return undefined;
  const { BucketCopies } = await import("./bucket-copies.ts");
  return await BucketCopies.of({ settings, directory, onProgress });
}
