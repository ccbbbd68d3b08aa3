/**
 * What the commands for the archive have in common: their options, the lock, days on the command
 * line, and Ctrl-C.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { escape } from "../log/fields.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { DataDirectory, dayOf } from "../store/data-directory.ts";
import { type Work, WorkLock } from "../store/work-lock.ts";
import type { SettingsOptions } from "./check.ts";
import { settingsFor } from "./settings-for.ts";

/** Options of all of them. */
export interface ArchiveWorkOptions extends SettingsOptions {
  readonly json?: boolean;
}

/** The data directory, and the archive and bucket of its settings. */
export interface ArchiveWork {
  readonly archive: Settings["archive"];
  readonly replicate: Settings["replicate"];
  readonly directory: DataDirectory;
  /** The local date of now. */
  readonly today: string;
}

/** @throws {FatalError} if the settings are wrong */
export function archiveWorkFor(options: ArchiveWorkOptions): ArchiveWork {
  const { archive, replicate, data_directory: data } = settingsFor(options);
  const calendar = new Calendar(systemClock);
  return {
    archive,
    replicate,
    directory: new DataDirectory(data),
    today: calendar.local(calendar.now()).date,
  };
}

/** What another process may be at. */
const BUSY = {
  archive: "is working on the archive",
  protect: "is protecting images",
  prune: "is deleting images",
  restore: "is restoring from the bucket",
} as const satisfies Record<Work, string>;

/**
 * Does work that only one process does at a time.
 *
 * @throws {FatalError} if another one is at it
 */
export async function alone<T>(
  directory: DataDirectory,
  kind: Work,
  work: () => Promise<T> | T,
): Promise<T> {
  using lock = takeLock(directory, kind);
  if (lock !== undefined) return await work();
  throw new FatalError(
    EXIT.failure,
    `The hub, or another command, ${BUSY[kind]} right now; try again when it is done`,
  );
}

function takeLock(directory: DataDirectory, kind: Work): WorkLock | undefined {
  try {
    return WorkLock.tryToTake(directory, kind);
  } catch (cause) {
    throw new FatalError(EXIT.data, `Cannot use ${directory.path}: ${messageOf(cause)}`, { cause });
  }
}

/** Checks days from the command line. @throws {FatalError} if one is no date */
export function checkDates(dates: readonly string[]): readonly string[] {
  const wrong = dates.find((date) => dayOf(date) === undefined);
  if (wrong === undefined) return [...new Set(dates)].toSorted();
  throw new FatalError(
    EXIT.usage,
    `The day is "${escape(wrong)}", must be a date such as 2018-12-30`,
  );
}

/** Refuses today and later days: more may come to them. @throws {FatalError} */
export function checkOver(dates: readonly string[], today: string): void {
  const open = dates.find((date) => date >= today);
  if (open === undefined) return;
  throw new FatalError(EXIT.usage, `${open} is not over yet; today is ${today}`);
}

/** Ctrl-C ends the work after the file in hand. A second one ends it at once. */
export class Interruption implements Disposable {
  private readonly asking = new AbortController();
  private readonly ask = (): void => this.asking.abort();

  constructor() {
    process.once("SIGINT", this.ask);
    process.once("SIGTERM", this.ask);
  }

  readonly shouldStop = (): boolean => this.asking.signal.aborted;

  /** Ends what waits for another machine. */
  get signal(): AbortSignal {
    return this.asking.signal;
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.ask);
    process.off("SIGTERM", this.ask);
  }
}

/** Prints a result as JSON, or the text of it and its problems. @returns the exit status */
export function report(
  options: ArchiveWorkOptions,
  result: object & { readonly problems: readonly string[] },
  text: string,
): ExitStatus {
  if (options.json === true) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else {
    for (const problem of result.problems) process.stderr.write(`${escape(problem)}\n`);
    process.stdout.write(text);
  }
  return result.problems.length > 0 ? EXIT.failure : EXIT.ok;
}
