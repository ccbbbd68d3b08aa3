/**
 * The table: its rows in their order. `bun test` runs their short form, a file for each group
 * (`short/`).
 *
 * @module
 */

import type { Row } from "./row.ts";
import { access } from "./rows/access.ts";
import { archive } from "./rows/archive.ts";
import { boot } from "./rows/boot.ts";
import { broker } from "./rows/broker.ts";
import { cable } from "./rows/cable.ts";
import { clock } from "./rows/clock.ts";
import { crowd } from "./rows/crowd.ts";
import { descriptors } from "./rows/descriptors.ts";
import { errors } from "./rows/errors.ts";
import { flood } from "./rows/flood.ts";
import { full } from "./rows/full.ts";
import { logs } from "./rows/logs.ts";
import { link } from "./rows/link.ts";
import { herd } from "./rows/herd.ts";
import { http } from "./rows/http.ts";
import { kill } from "./rows/kill.ts";
import { missing } from "./rows/missing.ts";
import { month } from "./rows/month.ts";
import { names } from "./rows/names.ts";
import { oldLibzmq } from "./rows/old-libzmq.ts";
import { power } from "./rows/power.ts";
import { pruning } from "./rows/prune.ts";
import { random } from "./rows/random.ts";
import { replicate } from "./rows/replicate.ts";
import { stall } from "./rows/stall.ts";
import { term } from "./rows/term.ts";
import { twins } from "./rows/twins.ts";
import { viewers } from "./rows/viewers.ts";
import { watchers } from "./rows/watchers.ts";

/** The hub ends: killed, without power, or asked to; and is started again. */
export const ENDS: readonly Row[] = [kill, power, term, herd, twins];

/** The disk fails, is full, goes away, or stands still. */
export const DISKS: readonly Row[] = [errors, full, missing, stall, logs, pruning, month, archive];

/** Senders send what makes no sense, may not send, are old, or are on a link that falls silent. */
export const SENDERS: readonly Row[] = [random, names, access, oldLibzmq, link];

/** There are too many peers, or such as are too fast or too slow. */
export const CROWDS: readonly Row[] = [crowd, flood, descriptors, http, viewers, broker];

/** The clock is wrong or is set; somebody watches the files. */
export const CLOCKS_AND_READERS: readonly Row[] = [clock, boot, watchers];

export const ROWS: readonly Row[] = [
  ...ENDS,
  ...DISKS,
  ...SENDERS,
  ...CROWDS,
  ...CLOCKS_AND_READERS,
  // Their short forms are in `e2e/replicate.test.ts`, with all that needs a store.
  replicate,
  cable,
];
