/**
 * How many files and connections this process can have open.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** RLIMIT_NOFILE: how many file descriptors there may be; Infinity where there is no limit. */
export function descriptorsMax(): number {
  const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}
