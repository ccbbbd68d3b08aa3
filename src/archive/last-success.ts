/**
 * When a round of archiving last ended well. It is noted in the data directory, so that a hub that
 * starts while its archive is away knows for how long.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DataDirectory } from "../store/data-directory.ts";
import { writeOwn } from "../store/own-folder.ts";

const NAME = "archive-success";

/** It is written so often at most: rounds follow each other every few minutes. */
const EXACT_MS = 3_600_000;

/** Notes that a round has ended well. Where that fails, the age is forgotten at a start. */
export function noteSuccess(directory: DataDirectory, nowMs: number): void {
  const before = lastSuccess(directory);
  if (before !== undefined && before <= nowMs && nowMs - before < EXACT_MS) return;
  try {
    writeOwn(directory, NAME, `${new Date(nowMs).toISOString()}\n`, false);
  } catch {
    // As above.
  }
}

/** To within an hour, in milliseconds since 1970; undefined if it is not known. */
export function lastSuccess({ own }: DataDirectory): number | undefined {
  try {
    const ms = Date.parse(readFileSync(join(own, NAME), "utf8").trim());
    return Number.isNaN(ms) ? undefined : ms;
  } catch {
    return undefined;
  }
}
