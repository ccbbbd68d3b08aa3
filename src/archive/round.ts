/**
 * One round of archiving: all days that are due, the oldest first.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { SystemError } from "../os/ffi.ts";
import { daysAfter } from "../protocol/calendar.ts";
import type { ArchiveRound } from "../shared/messages.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { DataDirectoryGone } from "../store/data-guard.ts";
import { DamagedDay } from "./content.ts";
import { archiveDay, type DayOutcome, Stopped } from "./day.ts";
import { ownerOf } from "./mark.ts";
import { ArchiveProblem, ArchiveRoot } from "./root.ts";
import { datesOf } from "./source.ts";
import type { UnchangedDays } from "./unchanged.ts";

/** What a round is to do. */
export interface RoundOptions {
  /** The local date of now, such as `2018-12-30`. */
  readonly today: string;
  /**
   * These days, whatever their age. What is archived of them already is read in the archive, and
   * damaged copies are replaced. Undefined: the days that are due.
   */
  readonly dates?: readonly string[] | undefined;
  /** Whether nothing is to be written, and the outcome says what would be. */
  readonly isDryRun?: boolean | undefined;
  readonly log?: Pick<Log, "info" | "warn"> | undefined;
  /** Is told how many files of a day are done. */
  readonly onProgress?: ((date: string, done: number, total: number) => void) | undefined;
  /** Days that need no look, and notes those that need none the next time. */
  readonly unchanged?: UnchangedDays | undefined;
  /** Asked before each file whether to stop there. */
  readonly shouldStop?: (() => boolean) | undefined;
  /** Whether the data directory is still the right one. @throws {DataDirectoryGone} if not */
  readonly check?: (() => void) | undefined;
}

/** Errors of a disk that takes nothing more, whichever day it is. */
const DISK_ERRORS: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS", "ENODEV", "ESTALE"]);

/** How many days in succession may fail before the round is given up: the disk may be dying. */
const FAILURES_MAX = 20;

/**
 * Archives. The lock for this work (`store/work-lock.ts`) must be held. An archive that cannot be
 * used is a problem in the outcome.
 *
 * @throws {Error} of node:fs if the data directory cannot be read
 */
export async function archiveDays(
  settings: Settings["archive"],
  directory: DataDirectory,
  options: RoundOptions,
): Promise<ArchiveRound> {
  const round = new Round(options);
  try {
    options.check?.();
    using root = openRoot(settings, directory, options.isDryRun === true);
    if (root.formerOwner !== undefined) round.noteTakeover(takeoverOf(root, directory));
    const dates = options.dates ?? dueDates(datesOf(directory), options.today, settings.after_days);
    let isRenewed = false;
    for (const date of dates.filter((each) => each < options.today)) {
      const before = options.unchanged?.stampOf(root, date);
      if (before !== undefined && options.unchanged?.has(date, before) === true) continue;
      const isWhole = await round.add(date, async () =>
        archiveDay(root, directory, date, {
          format: settings.format,
          isThorough: options.dates !== undefined,
          isDryRun: options.isDryRun,
          shouldStop: options.shouldStop,
          check: options.check,
          onProgress: (done, total) => options.onProgress?.(date, done, total),
        }),
      );
      const after = options.unchanged?.stampOf(root, date);
      if (isWhole && after !== undefined && after === before) options.unchanged?.add(date, after);
      // At once: whatever ends the round, no copy of the data directory can take the archive over.
      if (!isRenewed && round.hasArchived) root.renewMark(directory);
      isRenewed = round.hasArchived;
    }
  } catch (error) {
    if (error instanceof Stopped) return round.result(true);
    if (error instanceof ArchiveProblem) round.isAway = true;
    if (!(error instanceof RoundOver)) round.problem(messageOf(error));
  }
  return round.result(false);
}

function takeoverOf({ path, formerOwner }: ArchiveRoot, directory: DataDirectory): string {
  return (
    `The archive ${path} was that of ${formerOwner}, which this data directory was called before: ` +
    `now it is that of ${ownerOf(directory)}`
  );
}

/** The dates that are at least this many days before today. */
export function dueDates(dates: readonly string[], today: string, afterDays: number): string[] {
  const last = daysAfter(today, -afterDays);
  return dates.filter((date) => date <= last && date < today).toSorted();
}

/** A dry run marks nothing. */
function openRoot(
  { directory: path }: Settings["archive"],
  directory: DataDirectory,
  isDryRun: boolean,
): ArchiveRoot {
  if (!isDryRun) return ArchiveRoot.openToWrite(path, directory);
  const root = ArchiveRoot.open(path, directory);
  try {
    root.requireOwn(directory);
    return root;
  } catch (error) {
    root[Symbol.dispose]();
    throw error;
  }
}

/** The round cannot go on. */
class RoundOver extends Error {}

/** Adds up what is done. */
class Round {
  private readonly days: string[] = [];
  private readonly problems: string[] = [];
  private files = 0;
  private bytes = 0;
  private mended = 0;
  private foreign = 0;
  private failures = 0;
  private takenOver: string | undefined;
  /** See {@link ArchiveRound}. */
  isAway = false;

  constructor(private readonly options: RoundOptions) {}

  /**
   * @returns whether nothing was to be done for the day
   * @throws {Stopped}
   * @throws {RoundOver} if it is no use to go on
   */
  async add(date: string, archive: () => Promise<DayOutcome>): Promise<boolean> {
    let outcome: DayOutcome;
    try {
      outcome = await archive();
    } catch (error) {
      if (error instanceof Stopped) throw error;
      this.problem(`Cannot archive ${date}: ${messageOf(error)}`);
      // What is damaged says nothing about the disk.
      if (!(error instanceof DamagedDay)) this.failures++;
      const code = error instanceof SystemError ? error.code : "";
      if (error instanceof ArchiveProblem) this.isAway = true;
      const isGone = this.isAway || error instanceof DataDirectoryGone;
      if (isGone || DISK_ERRORS.has(code) || this.failures >= FAILURES_MAX) throw new RoundOver();
      return false;
    }
    this.failures = 0;
    const { files, bytes, mended, foreign, isNew, problems } = outcome;
    this.files += files;
    this.bytes += bytes;
    this.mended += mended;
    if (isNew) {
      this.days.push(date);
      this.foreign += foreign;
    }
    if (this.options.isDryRun !== true) this.logDay(date, outcome);
    for (const problem of problems) this.problem(`Cannot archive ${date}: ${problem}`);
    return files === 0 && !isNew && problems.length === 0;
  }

  private logDay(date: string, { files, bytes, foreign, isNew }: DayOutcome): void {
    const { log } = this.options;
    if (files === 0) {
      if (isNew) log?.info(`Made the manifest of ${date}: the archive had all of its files`);
    } else if (isNew) log?.info(`Archived ${date}`, { files, bytes, foreign });
    else log?.info(`Copied files of ${date} to the archive again`, { files, bytes });
  }

  /** Whether days were archived. */
  get hasArchived(): boolean {
    return this.days.length > 0 && this.options.isDryRun !== true;
  }

  /** The archive had another name. */
  noteTakeover(message: string): void {
    this.takenOver = message;
    this.options.log?.warn(message);
  }

  problem(message: string): void {
    this.problems.push(message);
    this.options.log?.warn(message);
  }

  result(isStopped: boolean): ArchiveRound {
    const { days, files, bytes, mended, foreign, problems, isAway, takenOver } = this;
    return { days, files, bytes, mended, foreign, problems, isStopped, isAway, takenOver };
  }
}
