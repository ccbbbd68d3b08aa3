/**
 * The events of each day, read from the lines of the event logs.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { dayOfLog, type DataDirectory } from "../store/data-directory.ts";
import { dateOfRecord, linesOf } from "../store/log-files.ts";

/**
 * Counts the events of each day. Lines of the hub itself are none: they have no `|`.
 *
 * @returns by date, such as `2018-12-30`
 * @throws {Error} of node:fs, {SystemError} and {NotAFile}, but for a log that is gone meanwhile
 */
export function countEvents(directory: DataDirectory): Map<string, number> {
  const counts = new Map<string, number>();
  for (const path of eventLogs(directory)) unlessGone(() => countIn(path, counts));
  return counts;
}

function countIn(path: string, counts: Map<string, number>): void {
  for (const line of linesOf(path)) {
    const date = dateOfRecord(line);
    if (date !== undefined && line.includes("|")) counts.set(date, (counts.get(date) ?? 0) + 1);
  }
}

/** The dated logs, the earliest first, and the one that is written to. */
function eventLogs({ logs, eventLog }: DataDirectory): string[] {
  const names = unlessGone(() => readdirSync(logs)) ?? [];
  const dated = names.filter((name) => dayOfLog(name) !== undefined);
  return [...dated.toSorted().map((name) => `${logs}/${name}`), eventLog];
}

/** @returns undefined if the file or folder is not there */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
