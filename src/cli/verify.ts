/**
 * `imagehub verify`: looks for damaged images, in the data directory and in the archive.
 *
 * @module
 */

import { strangersIn } from "../catalog/catalog.ts";
import { Archive } from "../archive/archive.ts";
import { datesOf } from "../archive/source.ts";
import { type DayFindings, verifyDay } from "../archive/verify.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { escape } from "../log/fields.ts";
import {
  type ArchiveWork,
  archiveWorkFor,
  type ArchiveWorkOptions,
  checkDates,
  Interruption,
  report,
} from "./archive-work.ts";
import { actAsOwner } from "./as-owner.ts";
import { Progress } from "./progress.ts";
import { counted, size } from "../log/amounts.ts";

/** What was found of all days. */
export interface Findings {
  readonly days: readonly DayFindings[];
  /** What is wrong with no single day. */
  readonly problems: readonly string[];
  readonly isStopped: boolean;
}

/**
 * Verifies the given days, or all.
 *
 * @returns `EXIT.failure` if something is wrong
 * @throws {FatalError} if the data directory cannot be read
 */
export async function verify(
  days: readonly string[],
  options: ArchiveWorkOptions,
): Promise<ExitStatus> {
  const work = archiveWorkFor(options);
  const wanted = checkDates(days);
  actAsOwner(work.directory, "verify", false);
  using interruption = new Interruption();
  using progress = new Progress("files");
  let findings: Findings;
  try {
    findings = await find(work, wanted, interruption, progress);
  } catch (cause) {
    const reason = `Cannot read ${work.directory.path}: ${messageOf(cause)}`;
    throw new FatalError(EXIT.data, reason, { cause });
  }
  progress.end();
  const problems = [...findings.problems, ...findings.days.flatMap((day) => day.problems)];
  const text = formatFindings(findings, problems.length);
  const { days: found, isStopped: stopped } = findings;
  const result = { days: found, problems, stopped };
  const status = report(options, result, text);
  return problems.length > 0 || findings.isStopped ? EXIT.failure : status;
}

async function find(
  { archive, directory }: ArchiveWork,
  wanted: readonly string[],
  { shouldStop }: Interruption,
  progress: Progress,
): Promise<Findings> {
  const problems =
    wanted.length > 0
      ? []
      : strangersIn(directory).map((name) => `images/${name} is not the hub's`);
  const hasArchive = archive.directory !== "";
  const archived = hasArchive ? new Archive(archive, directory).look() : undefined;
  if (archived?.problem !== undefined) problems.push(archived.problem);
  // Without the archive, the rest is still looked at.
  const usable = { directory: archived?.problem === undefined ? archive.directory : "" };
  const all = new Set([...datesOf(directory), ...(archived?.dates ?? [])]);
  if (hasArchive && archived?.problem === undefined) {
    try {
      // A day whose manifest is lost is in no list.
      for (const date of new Archive(archive, directory).datesWithFiles()) all.add(date);
    } catch (error) {
      problems.push(`The archive cannot be read: ${messageOf(error)}`);
    }
  }
  const unknown = wanted.find((date) => !all.has(date));
  if (unknown !== undefined) problems.push(`Nothing is stored of ${unknown}`);
  const dates = wanted.length > 0 ? wanted.filter((date) => all.has(date)) : [...all].toSorted();
  const days: DayFindings[] = [];
  for (const date of dates) {
    if (shouldStop()) break;
    const onProgress = (done: number, total: number): void =>
      progress.show(done, total, `files of ${date}`);
    try {
      days.push(await verifyDay(usable, directory, date, { shouldStop, onProgress }));
    } catch (error) {
      // A damaged folder: the other days are still looked at.
      problems.push(`${date} cannot be verified: ${messageOf(error)}`);
    }
  }
  return { days, problems, isStopped: shouldStop() };
}

/** What was found, for a person. The problems are printed before it. */
export function formatFindings({ days, isStopped }: Findings, problems: number): string {
  const sum = (count: (day: DayFindings) => number): number =>
    days.reduce((total, day) => total + count(day), 0);
  const archived = days.filter((day) => day.archived !== undefined);
  const text =
    `${counted(days.length, "day")}, ${counted(
      sum((day) => day.files),
      "file",
    )} ` +
    `(${size(sum((day) => day.bytes))}) read; ${counted(archived.length, "day")} ` +
    `(${counted(
      sum((day) => day.archived ?? 0),
      "file",
    )}) in the archive: ` +
    `${problems > 0 ? counted(problems, "problem") : isStopped ? "no problem so far" : "all is well"}\n`;
  const notes = days.flatMap((day) => day.notes).map((note) => `${escape(note)}\n`);
  return `${notes.join("")}${text}${isStopped ? "Stopped before the end\n" : ""}`;
}
