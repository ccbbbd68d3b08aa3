/**
 * How the copy in a bucket does, as all threads, the API and the page have it.
 *
 * @module
 */

import * as z from "zod";

/** An instant in UTC, such as `2026-11-22T15:04:05.123Z`. */
const instant = z.iso.datetime();

/** The setting `replicate` at work. */
export const replicationStateSchema = z.object({
  /** Where to, without secrets, such as `s3.example.com/farm/barn`. */
  target: z.string(),
  /**
   * Since when the store takes what is sent; null while it does not, and until all days were looked
   * at, so that what waits is not known yet.
   */
  connected_since: instant.nullable(),
  /** Images that were found to be in the bucket since the hub's start, and their bytes. */
  images: z.number(),
  bytes: z.number(),
  /** Images that are not in the bucket yet, and their bytes. */
  waiting_images: z.number(),
  waiting_bytes: z.number(),
  /** When the oldest of them was stored; null if none waits. */
  oldest_waiting: instant.nullable(),
  /** Files that the bucket has with another content. They are left as they are. */
  differences: z.number(),
  last_error: z.object({ time: instant, message: z.string() }).nullable(),
});

/** See {@link replicationStateSchema}. */
export type ReplicationState = Readonly<z.output<typeof replicationStateSchema>>;
