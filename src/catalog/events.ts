/**
 * The events of each day, read from the lines of the event logs.
 *
 * @module
 */

import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { dayOf, dayOfLog, type DataDirectory } from "../store/data-directory.ts";

/** How much of a log is read at once, in bytes. */
const PIECE_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;

/** `2021-09-24 08:27:13,477 ~ ` */
const PREFIX = /^(\d{4}-\d{2}-\d{2}) \d{2}:\d{2}:\d{2},\d{3} ~ /;

/**
 * Counts the events of each day. Lines of the hub itself are none: they have no `|`.
 *
 * @returns by date, such as `2018-12-30`
 * @throws {Error} of node:fs, but for a log that is gone meanwhile
 */
export function countEvents(directory: DataDirectory): Map<string, number> {
  const counts = new Map<string, number>();
  for (const path of eventLogs(directory)) {
    for (const line of linesOf(path)) {
      const date = PREFIX.exec(line)?.[1];
      if (date === undefined || dayOf(date) === undefined || !line.includes("|")) continue;
      counts.set(date, (counts.get(date) ?? 0) + 1);
    }
  }
  return counts;
}

/** The dated logs, the earliest first, and the one that is written to. */
function eventLogs({ logs, eventLog }: DataDirectory): string[] {
  const dated = namesIn(logs).filter((name) => dayOfLog(name) !== undefined);
  return [...dated.toSorted().map((name) => `${logs}/${name}`), eventLog];
}

/** The whole lines of a log. A last one that is still being written is left out. */
function* linesOf(path: string): Generator<string> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (isGone(error)) return;
    throw error;
  }
  try {
    let rest = Buffer.alloc(0);
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let count = readSync(fd, piece); count > 0; count = readSync(fd, piece)) {
      const bytes = Buffer.concat([rest, piece.subarray(0, count)]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      rest = Buffer.from(bytes.subarray(end));
      if (end > 0) yield* bytes.toString("utf8", 0, end - 1).split("\n");
    }
  } finally {
    closeSync(fd);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
