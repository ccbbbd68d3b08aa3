/**
 * `imagehub verify`: looks for damaged images, in the data directory and in the archive, and
 * compares both with the bucket.
 *
 * @module
 */

import { strangersIn } from "../catalog/catalog.ts";
import { Archive } from "../archive/archive.ts";
import type { Sums } from "../archive/content.ts";
import type { Member } from "../archive/layout.ts";
import { datesOf } from "../archive/source.ts";
import { type DayFindings, verifyDay } from "../archive/verify.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { escape } from "../log/fields.ts";
import type { Inventory } from "../replicate/inventory.ts";
import { isEnded } from "../replicate/reader.ts";
import { BucketCheck, type BucketFindings, type CheckParts } from "../replicate/verify.ts";
import { StoreError } from "../s3/errors.ts";
import { hubName } from "../s3/settings.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import {
  type ArchiveWork,
  archiveWorkFor,
  type ArchiveWorkOptions,
  checkDates,
  Interruption,
  report,
} from "./archive-work.ts";
import { actAsOwner } from "./as-owner.ts";
import { inventoryOf, readerFor } from "./bucket-reader.ts";
import { Progress } from "./progress.ts";
import { readTarget, refusalOf } from "./replicate-test.ts";
import { counted, grouped, size } from "../log/amounts.ts";

/** What `verify` was asked for. */
export interface VerifyOptions extends ArchiveWorkOptions {
  /** Whether the bucket is compared, too, and whether every object in it is read. */
  readonly bucket?: boolean;
  readonly deep?: boolean;
}

/** What was found of a day. */
export interface AllOfDay extends DayFindings {
  /** Undefined if the bucket was not compared. */
  readonly bucket?: BucketFindings;
}

/** What was found of all days. */
export interface Findings {
  readonly days: readonly AllOfDay[];
  /** What is wrong with no single day. */
  readonly problems: readonly string[];
  readonly hasArchive: boolean;
  readonly isStopped: boolean;
}

/**
 * Verifies the given days, or all.
 *
 * @returns `EXIT.failure` if something is wrong
 * @throws {FatalError} if the data directory cannot be read, or the bucket that is asked for
 */
export async function verify(days: readonly string[], options: VerifyOptions): Promise<ExitStatus> {
  if (options.deep === true && options.bucket !== true)
    throw new FatalError(EXIT.usage, "--deep reads the objects of the bucket: add --bucket");
  const work = archiveWorkFor(options);
  const wanted = checkDates(days);
  using interruption = new Interruption();
  using progress = new Progress("files");
  let findings: Findings;
  try {
    // First, as the file with the keys may be for root.
    const bucket =
      options.bucket === true
        ? await bucketFor(work, options.deep === true, interruption, progress)
        : undefined;
    actAsOwner(work.directory, "verify", false);
    findings = await find(work, wanted, bucket, interruption, progress);
  } catch (cause) {
    if (cause instanceof FatalError) throw cause;
    if (isEnded(cause)) throw new FatalError(EXIT.failure, "Stopped before the end", { cause });
    const reason = `Cannot read ${work.directory.path}: ${messageOf(cause)}`;
    throw refusalOf(cause) ?? new FatalError(EXIT.data, reason, { cause });
  }
  progress.end();
  const problems = [...findings.problems, ...findings.days.flatMap(problemsOf)];
  const text = formatFindings(findings, problems.length);
  const { days: found, isStopped: stopped } = findings;
  const result = { days: found, problems, stopped };
  const status = report(options, result, text);
  return problems.length > 0 || findings.isStopped ? EXIT.failure : status;
}

async function find(
  { archive, directory }: ArchiveWork,
  wanted: readonly string[],
  bucket: CheckParts | undefined,
  { shouldStop }: Interruption,
  progress: Progress,
): Promise<Findings> {
  const inventory = bucket?.inventory;
  const problems = wanted.length > 0 ? [] : strangersOf(directory, inventory);
  const hasArchive = archive.directory !== "";
  const archived = hasArchive ? new Archive(archive, directory).look() : undefined;
  if (archived?.problem !== undefined) problems.push(archived.problem);
  // Without the archive, the rest is still looked at.
  const usable = { directory: archived?.problem === undefined ? archive.directory : "" };
  const all = new Set([
    ...datesOf(directory),
    ...(archived?.dates ?? []),
    ...(inventory?.dates ?? []),
  ]);
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
  const days: AllOfDay[] = [];
  for (const date of dates) {
    if (shouldStop()) break;
    const onProgress = (done: number, total: number): void =>
      progress.show(done, total, `files of ${date}`);
    try {
      const check = bucket && (await BucketCheck.begin(bucket, date));
      const onRead = check && ((member: Member, own: Sums): void => check.take(member, own));
      const day = await verifyDay(usable, directory, date, { shouldStop, onProgress, onRead });
      const at = days.push(day) - 1;
      if (check !== undefined && !shouldStop())
        days[at] = { ...day, bucket: await check.finish(onProgress) };
    } catch (error) {
      if (isEnded(error)) break;
      // It has been tried for minutes.
      if (error instanceof StoreError) throw error;
      // A damaged folder: the other days are still looked at.
      problems.push(`${date} cannot be verified: ${messageOf(error)}`);
    }
  }
  return { days, problems, hasArchive, isStopped: shouldStop() };
}

/** What is in no day, and none of the hub's. */
function strangersOf(directory: DataDirectory, inventory: Inventory | undefined): string[] {
  const there = inventory?.strangers ?? [];
  return [
    ...strangersIn(directory).map((name) => `images/${name} is not the hub's`),
    ...there.map((key) => `${key} in the bucket is not the hub's`),
  ];
}

/** The bucket of the settings. Rejects with a `StoreError`, or a {@link FatalError}. */
async function bucketFor(
  { replicate, directory }: ArchiveWork,
  isDeep: boolean,
  interruption: Interruption,
  progress: Progress,
): Promise<CheckParts> {
  const target = readTarget(replicate);
  const name = hubName(replicate);
  const reader = readerFor({ target, replicate, name, interruption, progress });
  return { reader, inventory: await inventoryOf(reader), directory, isDeep };
}

const problemsOf = ({ problems, bucket }: AllOfDay): string[] => [
  ...problems,
  ...(bucket?.problems ?? []),
];

const files = (count: number): string => counted(count, "file");

/** What was found, for a person. The problems are printed before it. */
export function formatFindings(
  { days, hasArchive, isStopped }: Findings,
  problems: number,
): string {
  const sum = (count: (day: AllOfDay) => number): number =>
    days.reduce((total, day) => total + count(day), 0);
  const archived = days.filter((day) => day.archived !== undefined);
  const compared = days.map(({ bucket }) => bucket).filter((bucket) => bucket !== undefined);
  const parts = [
    `${counted(days.length, "day")}, ${files(sum((day) => day.files))} ` +
      `(${size(sum((day) => day.bytes))}) read`,
  ];
  if (hasArchive)
    parts.push(
      `${counted(archived.length, "day")} (${files(sum((day) => day.archived ?? 0))}) in the archive`,
    );
  if (compared.length > 0) {
    const waiting = sum(({ bucket }) => bucket?.waiting ?? 0);
    parts.push(
      `${files(sum(({ bucket }) => bucket?.objects ?? 0))} in the bucket` +
        (waiting > 0 ? `, and ${grouped(waiting)} not there yet` : ""),
    );
  }
  const verdict =
    problems > 0 ? counted(problems, "problem") : isStopped ? "no problem so far" : "all is well";
  const notes = days.flatMap((day) => day.notes).map((note) => `${escape(note)}\n`);
  const end = isStopped ? "Stopped before the end\n" : "";
  return `${notes.join("")}${parts.join("; ")}: ${verdict}\n${end}`;
}
