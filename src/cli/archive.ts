/**
 * `imagehub archive`: copies days that are over to the archive, and makes a directory an archive.
 *
 * @module
 */

import { chownSync, existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { MARK } from "../archive/layout.ts";
import { ArchiveProblem, ArchiveRoot } from "../archive/root.ts";
import { archiveDays } from "../archive/round.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { escape } from "../log/fields.ts";
import type { ArchiveRound } from "../shared/messages.ts";
import { createShared } from "../shared/memory.ts";
import { Part } from "../store/data-directory.ts";
import { DataGuard } from "../store/data-guard.ts";
import {
  alone,
  type ArchiveWork,
  archiveWorkFor,
  type ArchiveWorkOptions,
  checkDates,
  checkOver,
  Interruption,
  report,
} from "./archive-work.ts";
import { actAsOwner } from "./as-owner.ts";
import { Progress } from "./progress.ts";
import { counted, size } from "../log/amounts.ts";

/** What `archive` was asked for. */
export interface ArchiveOptions extends ArchiveWorkOptions {
  readonly init?: boolean;
  readonly dryRun?: boolean;
}

/**
 * Archives the given days, or all that are due.
 *
 * @returns `EXIT.failure` if something could not be archived
 * @throws {FatalError}
 */
export async function archive(
  days: readonly string[],
  options: ArchiveOptions,
): Promise<ExitStatus> {
  const work = archiveWorkFor(options);
  if (work.archive.directory === "") {
    throw new FatalError(
      EXIT.config,
      "There is no archive: set hub.archive.directory in imagehub.yaml",
    );
  }
  if (options.init === true) return init(work, days, options.dryRun === true);
  const dates = checkDates(days);
  checkOver(dates, work.today);
  actAsOwner(work.directory, "archive", true);
  using interruption = new Interruption();
  using progress = new Progress("files");
  const isDryRun = options.dryRun === true;
  const round = await alone(work.directory, "archive", async () => {
    const guard = new DataGuard(work.directory, createShared(1));
    guard.adopt();
    return await archiveDays(work.archive, work.directory, {
      today: work.today,
      dates: dates.length > 0 ? dates : undefined,
      isDryRun,
      shouldStop: interruption.shouldStop,
      onProgress: (date, done, total) => progress.show(done, total, `files of ${date}`),
      check: () => guard.check(Part.images),
    });
  });
  progress.end();
  const text = formatRound(round, work.archive.directory, isDryRun);
  const status = report(options, options.json === true ? asJson(round, isDryRun) : round, text);
  return round.isStopped ? EXIT.failure : status;
}

function asJson(round: ArchiveRound, isDryRun: boolean) {
  const { isStopped, isAway, takenOver, ...rest } = round;
  return {
    dry_run: isDryRun,
    ...rest,
    stopped: isStopped,
    away: isAway,
    taken_over: takenOver ?? null,
  };
}

/** How many days are named. */
const DATES_MAX = 5;

/** What was done, for a person. */
export function formatRound(round: ArchiveRound, path: string, isDryRun: boolean): string {
  const { days, files, bytes, mended, foreign, problems, isStopped, takenOver } = round;
  const lines = takenOver === undefined ? [] : [takenOver];
  if (files > 0 || days.length > 0) {
    const dates = days.length > DATES_MAX ? `${days[0]} to ${days.at(-1)}` : days.join(", ");
    const whole = `${counted(days.length, "day")}${isDryRun ? "" : " archived"} (${dates})`;
    const outcome =
      days.length > 0
        ? `: ${whole}`
        : problems.length > 0
          ? ": no further day is whole"
          : " again; no day is new";
    lines.push(
      `${isDryRun ? "Would copy" : "Copied"} ${counted(files, "file")} (${size(bytes)}) to ` +
        `${path}${outcome}`,
    );
  } else if (problems.length === 0 && !isStopped) {
    lines.push(`Nothing to do: ${path} has every file of these days`);
  }
  if (mended > 0)
    lines.push(
      `Of these, damaged in the archive${isDryRun ? "" : " before"}: ${counted(mended, "file")}`,
    );
  if (foreign > 0) lines.push(`Left out, as they are not the hub's: ${counted(foreign, "file")}`);
  if (isStopped) lines.push("Stopped; the next run continues");
  return lines.map((line) => `${escape(line)}\n`).join("");
}

function init(
  { archive: { directory: path }, directory }: ArchiveWork,
  days: readonly string[],
  isDryRun: boolean,
): ExitStatus {
  if (days.length > 0) throw new FatalError(EXIT.usage, "--init takes no days");
  if (isDryRun) {
    const isOne = existsSync(join(path, MARK));
    process.stdout.write(
      escape(`${path} ${isOne ? "is already" : "would become"} an archive`) + "\n",
    );
    return EXIT.ok;
  }
  makeForOwner(path, directory.path);
  actAsOwner(directory, "archive --init", true);
  try {
    const isNew = ArchiveRoot.init(path, directory);
    process.stdout.write(escape(`${path} is ${isNew ? "now" : "already"} an archive`) + "\n");
    return EXIT.ok;
  } catch (cause) {
    if (!(cause instanceof ArchiveProblem)) throw cause;
    throw new FatalError(EXIT.failure, cause.message, { cause });
  }
}

/** Root may make a directory where the owner of the data directory may not. */
function makeForOwner(path: string, data: string): void {
  const owner = statSync(data, { throwIfNoEntry: false });
  if (process.geteuid?.() !== 0 || owner === undefined) return;
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  try {
    ArchiveRoot.refuseMissing(path);
    mkdirSync(path);
    chownSync(path, owner.uid, owner.gid);
  } catch (cause) {
    throw new FatalError(EXIT.failure, `Cannot make ${path}: ${messageOf(cause)}`, { cause });
  }
}
