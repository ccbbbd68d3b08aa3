/**
 * The events of each day, read from the lines of the event logs.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { unlessMissing } from "../os/missing.ts";
import { dayOfLog, type DataDirectory } from "../store/data-directory.ts";
import { parseRecord, type PruneRecord } from "./record.ts";
import { readRecord, linesOf } from "../store/log-files.ts";

/** What the event logs tell. */
export interface EventSummary {
  /** Events by date, such as `2018-12-30`. Lines of the hub itself are none: they have no `|`. */
  readonly counts: ReadonlyMap<string, number>;
  /** What the hub has deleted, the earliest deletion first. */
  readonly records: readonly DatedRecord[];
}

/** What was deleted, and when. */
export interface DatedRecord extends PruneRecord {
  /** In local time, such as `2018-12-30 13:45:07`. */
  readonly at: string;
}

/**
 * Reads all event logs.
 *
 * @throws {Error} of node:fs, {SystemError} and {NotAFile}, but for a log that is gone meanwhile
 */
export function readEvents(directory: DataDirectory): EventSummary {
  const counts = new Map<string, number>();
  const records: DatedRecord[] = [];
  for (const path of eventLogs(directory)) unlessMissing(() => readLog(path, counts, records));
  return { counts, records };
}

function readLog(path: string, counts: Map<string, number>, records: DatedRecord[]): void {
  for (const line of linesOf(path)) {
    const read = readRecord(line);
    if (read === undefined) continue;
    const { date, time, text } = read;
    if (text.includes("|")) counts.set(date, (counts.get(date) ?? 0) + 1);
    else {
      const record = parseRecord(text);
      const seconds = time.slice(0, "23:13:31".length);
      if (record !== undefined) records.push(Object.assign({ at: `${date} ${seconds}` }, record));
    }
  }
}

/** The dated logs, the earliest first, and the one that is written to. */
function eventLogs({ logs, eventLog }: DataDirectory): string[] {
  const names = unlessMissing(() => readdirSync(logs)) ?? [];
  const dated = names.filter((name) => dayOfLog(name) !== undefined);
  return [...dated.toSorted().map((name) => `${logs}/${name}`), eventLog];
}
