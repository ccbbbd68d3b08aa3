/**
 * The event logs of a data directory as what is searched.
 *
 * @module
 */

import { statSync } from "node:fs";
import { unlessMissing } from "../os/missing.ts";
import type { HubEvent } from "../page/answers.ts";
import { type DataDirectory, dateOf, dayOf } from "../store/data-directory.ts";
import { datedLogs, linesOf } from "../store/log-files.ts";
import { readLine } from "./events.ts";
import type { EventLog, LogLines } from "./source.ts";

/**
 * The lines of one day, in their order. They are in the log of that day, or still in the one that
 * is written to.
 *
 * @throws {Error} of node:fs, {SystemError} and {NotAFile}
 */
export function* eventsOf(directory: DataDirectory, date: string): Generator<HubEvent> {
  const dated = directory.datedLog(dayOf(date)!);
  for (const path of [dated, directory.eventLog]) {
    for (const line of linesIfThere(path)) {
      if (!line.startsWith(date)) continue;
      const event = readLine(line);
      if (event !== undefined) yield event;
    }
  }
}

function linesIfThere(path: string): Iterable<string> {
  return unlessMissing(() => statSync(path)) === undefined ? [] : linesOf(path);
}

/** All logs, that which is written to first. */
export function logsLatestFirst(directory: DataDirectory): EventLog[] {
  const dated = datedLogs(directory.logs).map((day) => ({
    name: dateOf(day),
    path: directory.datedLog(day),
  }));
  const all = [{ name: "current", path: directory.eventLog }, ...dated.toReversed()];
  return all.map(({ name, path }) => ({
    name,
    get size() {
      return unlessMissing(() => statSync(path).size) ?? 0;
    },
    lines: async () => linesAt(path),
  }));
}

function linesAt(path: string): LogLines {
  const lines = [...linesIfThere(path)];
  return { count: lines.length, at: (index) => readLine(lines[index]!) };
}
