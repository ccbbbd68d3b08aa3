/**
 * The table: its rows in their order.
 *
 * @module
 */

import type { Row } from "./row.ts";
import { access } from "./rows/access.ts";
import { boot } from "./rows/boot.ts";
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
import { names } from "./rows/names.ts";
import { oldLibzmq } from "./rows/old-libzmq.ts";
import { power } from "./rows/power.ts";
import { random } from "./rows/random.ts";
import { stall } from "./rows/stall.ts";
import { term } from "./rows/term.ts";
import { twins } from "./rows/twins.ts";
import { watchers } from "./rows/watchers.ts";

export const ROWS: readonly Row[] = [
  kill,
  power,
  errors,
  full,
  missing,
  stall,
  logs,
  random,
  names,
  crowd,
  flood,
  descriptors,
  http,
  access,
  oldLibzmq,
  link,
  term,
  herd,
  twins,
  clock,
  boot,
  watchers,
];
