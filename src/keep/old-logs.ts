/**
 * Deletes event logs that are too old.
 *
 * @module
 */

import { openIfThere } from "../catalog/kept.ts";
import { messageOf } from "../errors.ts";
import { EVENT_LOGS_DEFAULT } from "../limits.ts";
import { Folder } from "../os/folder.ts";
import { type DataDirectory, dateOf, dayOfLog } from "../store/data-directory.ts";
import { daysAfter } from "../protocol/calendar.ts";

/** A dated log. */
export interface OldLog {
  readonly date: string;
  readonly name: string;
  /** In bytes. */
  readonly size: number;
}

/** What was deleted. */
export interface PrunedLogs {
  readonly dates: readonly string[];
  readonly bytes: number;
}

/**
 * The dated logs, the earliest first; none if there is no folder of logs.
 *
 * @throws {SystemError} and {Error} of node:fs
 */
export function datedLogsIn(
  { logs }: DataDirectory,
  onFailure: (message: string) => void,
): OldLog[] {
  // `logs` itself may be a link to another disk.
  using folder = openIfThere(`${logs}/.`);
  return (folder?.names() ?? [])
    .flatMap((name) => {
      const day = dayOfLog(name);
      if (day === undefined) return [];
      try {
        const size = folder?.sizeOf(name) ?? -1;
        return size < 0 ? [] : [{ date: dateOf(day), name, size }];
      } catch (error) {
        onFailure(messageOf(error));
        return [];
      }
    })
    .toSorted((a, b) => (a.date < b.date ? -1 : 1));
}

/**
 * Whether a log can be too old. At the default of the setting, the newest logs are kept by their
 * number, at each midnight.
 */
export function hasLimit(eventDays: number): boolean {
  return eventDays !== 0 && eventDays !== EVENT_LOGS_DEFAULT;
}

/**
 * The logs that are too old.
 *
 * @param eventDays the setting
 * @param reference see `age.ts`
 */
export function oldLogs(
  logs: readonly OldLog[],
  eventDays: number,
  reference: string,
): readonly OldLog[] {
  const first = daysAfter(reference, -eventDays);
  return logs.filter(({ date }) => date < first);
}

/** How logs are deleted. */
interface LogPruning {
  /** Whether the folder of the logs is still the right one. @throws {DataDirectoryGone} if not */
  readonly check: () => void;
  readonly isRehearsal: boolean;
  readonly onFailure: (message: string) => void;
}

/**
 * Deletes logs. One that cannot be deleted is reported, and the next one is tried.
 *
 * @throws {DataDirectoryGone} and {SystemError}
 */
export function pruneLogs(
  { logs }: DataDirectory,
  old: readonly OldLog[],
  { check, isRehearsal, onFailure }: LogPruning,
): PrunedLogs {
  const dates: string[] = [];
  let bytes = 0;
  using folder = Folder.open(`${logs}/.`);
  check();
  for (const { date, name, size } of old) {
    try {
      if (!isRehearsal && !folder.unlink(name)) continue;
      dates.push(date);
      bytes += size;
    } catch (error) {
      onFailure(messageOf(error));
    }
  }
  return { dates, bytes };
}
