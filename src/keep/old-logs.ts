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
import { isUndated } from "./age.ts";

/** A dated log. */
export interface OldLog {
  readonly date: string;
  readonly name: string;
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
export function datedLogsIn({ logs }: DataDirectory): OldLog[] {
  // `logs` itself may be a link to another disk.
  using folder = openIfThere(`${logs}/.`);
  return (folder?.names() ?? [])
    .flatMap((name) => {
      const day = dayOfLog(name);
      return day === undefined ? [] : [{ date: dateOf(day), name }];
    })
    .toSorted((a, b) => (a.date < b.date ? -1 : 1));
}

/**
 * The logs that are too old. At the default of the setting they go by their number, as those of the
 * Python hub do. Then a log that a wrong clock has dated neither counts nor goes: it may have got
 * its name just now.
 *
 * @param eventDays the setting; 0: no log is too old
 * @param reference see `age.ts`
 * @param today the local date
 */
export function oldLogs(
  logs: readonly OldLog[],
  eventDays: number,
  reference: string,
  today: string,
): readonly OldLog[] {
  if (eventDays === 0) return [];
  if (eventDays === EVENT_LOGS_DEFAULT)
    return logs
      .filter(({ date }) => date <= today && !isUndated(date))
      .slice(0, -EVENT_LOGS_DEFAULT);
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
  for (const { date, name } of old) {
    try {
      const size = folder.sizeOf(name) ?? -1;
      if (size < 0 || (!isRehearsal && !folder.unlink(name))) continue;
      dates.push(date);
      bytes += size;
    } catch (error) {
      onFailure(messageOf(error));
    }
  }
  return { dates, bytes };
}
