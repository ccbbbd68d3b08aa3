/**
 * How one of those does who are told what the hub stores, as all threads, the API and the page have
 * it.
 *
 * @module
 */

import * as z from "zod";

/** An instant in UTC, such as `2026-11-22T15:04:05.123Z`. */
const instant = z.iso.datetime();

/** One outlet. */
export const outletStateSchema = z.object({
  /** Unique, such as `mqtt` or `webhook 1`. */
  name: z.string(),
  /** Where it tells, without secrets. */
  target: z.string(),
  /** Since when it can tell; null while it cannot. */
  connected_since: instant.nullable(),
  /** Since the hub's start. */
  sent: z.number(),
  dropped: z.number(),
  /** What waits to be told. */
  waiting: z.number(),
  /** Who listens; null if that is not known. */
  subscribers: z.number().nullable(),
  last_error: z.object({ time: instant, message: z.string() }).nullable(),
});

/** See {@link outletStateSchema}. */
export type OutletState = Readonly<z.output<typeof outletStateSchema>>;
