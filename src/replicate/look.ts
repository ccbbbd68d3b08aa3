/**
 * What of a day is in the data directory and not in the bucket yet.
 *
 * @module
 */

import { statSync } from "node:fs";
import { imageMember, IMAGES, logMember, parseMember } from "../archive/layout.ts";
import { Source } from "../archive/source.ts";
import { Known, NameTable } from "../catalog/name-table.ts";
import { unlessMissing } from "../os/missing.ts";
import { stampOf } from "../os/stamp.ts";
import { parseImageFileName } from "../protocol/names.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { DayQueue, type WaitingImage } from "./day-queue.ts";
import { journalPath, readJournal } from "./journal.ts";
import { manifestNumber } from "./layout.ts";

/** What a look has found. */
export interface Look {
  readonly queue: DayQueue;
  /** Whether there was a journal. */
  readonly hasJournal: boolean;
  /** Whether all is in the bucket, and in its manifests. */
  readonly isFinished: boolean;
  /** The SHA-256 of the event log of the day, as far as it is in the bucket. */
  readonly logSum: string | undefined;
  /** Whether the data directory has an event log of the day. */
  readonly hasLog: boolean;
}

/**
 * Looks at a day.
 *
 * @param isRefused whether an image differs from that in the bucket, so that it waits no more
 * @throws {SystemError} and {Error} of node:fs
 */
export function lookAt(
  directory: DataDirectory,
  date: string,
  isRefused: (path: string) => boolean,
): Look {
  let [known, isCovered, logSum] = [new NameTable(), false, undefined as string | undefined];
  const hasJournal = readJournal(directory, date, (path, sum) => {
    isCovered = manifestNumber(path, date) !== undefined;
    const member = parseMember(path, date);
    if (member?.part === IMAGES) {
      const parsed = parseImageFileName(member.name, date);
      if (parsed !== undefined) known.set(parsed, Known.told);
    } else if (member !== undefined) logSum = sum;
  });
  // What was read before the bad line does not count.
  if (!hasJournal) [known, isCovered, logSum] = [new NameTable(), false, undefined];
  const queue = new DayQueue(date, known);
  const images: { readonly image: WaitingImage; readonly micros: number }[] = [];
  using source = new Source(directory, date);
  for (const { part, name, path } of source.members) {
    if (part !== IMAGES || isRefused(path)) continue;
    const parsed = parseImageFileName(name, date);
    if (parsed === undefined || known.get(parsed) !== Known.no) continue;
    const entry = source.entry(imageMember(date, name));
    if (entry === undefined) continue;
    const image = { name, size: entry.size, storedMs: entry.modifiedS * 1000 };
    images.push({ image, micros: parsed.micros });
  }
  images.sort((a, b) => a.micros - b.micros);
  for (const { image } of images) queue.add(image);
  const hasLog = source.members.some(({ part }) => part !== IMAGES);
  const isFinished =
    isCovered && images.length === 0 && !isLogNewer(directory, date, hasLog, logSum);
  return { queue, hasJournal, isFinished, logSum, hasLog };
}

/** Whether the event log of a day may have lines that are not in the bucket. */
function isLogNewer(
  directory: DataDirectory,
  date: string,
  hasLog: boolean,
  logSum: string | undefined,
): boolean {
  if (!hasLog) return false;
  const [log, journal] = [
    `${directory.path}/${logMember(date).path}`,
    journalPath(directory, date),
  ];
  const [logMs, journalMs] = [log, journal].map((path) =>
    unlessMissing(() => statSync(path).mtimeMs),
  );
  return logSum === undefined || (logMs ?? 0) >= (journalMs ?? 0);
}

/** Changes when the files of a day may have. @throws {Error} of node:fs */
export function stampOfDay(directory: DataDirectory, date: string): string {
  return placesOf(directory, date)
    .map((path) => unlessMissing(() => stampOf(path)) ?? "none")
    .join("; ");
}

function placesOf(directory: DataDirectory, date: string): string[] {
  const log = `${directory.path}/${logMember(date).path}`;
  return [directory.dateFolder(date), directory.keptFolder(date), log];
}
