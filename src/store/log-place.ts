/**
 * A place in the event log: which file, and how far. The file may get another name at midnight, and
 * is still the same.
 *
 * @module
 */

import { type BigIntStats, fstatSync } from "node:fs";

/** Where a record ends. */
export interface LogPlace {
  /** The file, see {@link logIdOf}. */
  readonly id: string;
  /** In bytes from its beginning. */
  readonly end: number;
}

/** What distinguishes a log from others, as long as it is not deleted. */
export function logIdOf({ dev, ino }: Pick<BigIntStats, "dev" | "ino">): string {
  return `${dev}:${ino}`;
}

/** The end of an open log, as a text for {@link parseLogPlace}. @throws {Error} of node:fs */
export function endOfLog(fd: number): string {
  const stats = fstatSync(fd, { bigint: true });
  return `${stats.size}@${logIdOf(stats)}`;
}

/** Reads the text of a place. */
export function parseLogPlace(text: string): LogPlace {
  const at = text.indexOf("@");
  return { id: text.slice(at + 1), end: Number(text.slice(0, at)) };
}
