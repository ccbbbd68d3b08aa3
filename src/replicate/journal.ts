/**
 * The journal of a day: what of it is known to be in the bucket. It stands in the folder for what
 * can be made anew, in the form of a manifest, and only saves asking the bucket. Nothing is ever
 * deleted on its word.
 *
 * @module
 */

import { constants, fstatSync, ftruncateSync, readFileSync, readSync, writeSync } from "node:fs";
import { parseMember } from "../archive/layout.ts";
import { parseSum } from "../archive/manifest.ts";
import { close } from "../os/files.ts";
import type { Folder } from "../os/folder.ts";
import { unlessMissing } from "../os/missing.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { linesOf } from "../store/log-files.ts";
import { giveToOwner, openOwn, writeOwn } from "../store/own-folder.ts";
import { manifestNumber } from "./layout.ts";

const FOLDER = "replicated";

/** The file beside it that says of which folder in which bucket the journals are. */
const PLACE = "replicated-to";

const MODE = 0o644;

/** Longer than any line, in bytes. */
const TAIL_BYTES = 4096;

const NEWLINE = 0x0a;

/** Where the journal of a day is. */
export function journalPath({ own }: DataDirectory, date: string): string {
  return `${own}/${FOLDER}/${date}`;
}

/** The journal of one day, for adding to it. */
export class Journal {
  private lines = "";
  /** Where the next line goes, in bytes; undefined until the file was looked at. */
  private end: number | undefined;

  constructor(
    private readonly directory: DataDirectory,
    private readonly date: string,
  ) {}

  /** Adds a file that is in the bucket. It is written with the next {@link flush}. */
  note(path: string, sum: string): void {
    this.lines += `${sum}  ${path}\n`;
  }

  /**
   * Writes what was added. What cannot be written is forgotten: it is asked for again after a
   * start.
   *
   * @throws {SystemError} and {Error} of node:fs, or if no data directory is there
   */
  flush(): void {
    if (this.lines === "") return;
    const bytes = Buffer.from(this.lines);
    this.lines = "";
    using folder = open(this.directory);
    const fd = folder.openCreate(this.date, MODE, constants.O_RDWR);
    try {
      this.end ??= cutTorn(fd);
      if (this.end === 0) giveToOwner(fd, this.directory);
      const at = this.end;
      // A write that fails may leave a part.
      this.end = undefined;
      for (let done = 0; done < bytes.length;)
        done += writeSync(fd, bytes, done, bytes.length - done, at + done);
      this.end = at + bytes.length;
    } finally {
      close(fd);
    }
  }
}

/** Removes a last line without an end. @returns the size then */
function cutTorn(fd: number): number {
  const { size } = fstatSync(fd);
  const from = Math.max(0, size - TAIL_BYTES);
  const tail = Buffer.alloc(size - from);
  readSync(fd, tail, 0, tail.length, from);
  const end = from + tail.lastIndexOf(NEWLINE) + 1;
  if (end < size) ftruncateSync(fd, end);
  return end;
}

/**
 * Reads the journal of a day. One with a line that is none is removed: the bucket knows better.
 *
 * @param take is told each line in their order; what it was told counts only if all are good
 * @returns whether there is one, and all of its lines are good. A last line that is not whole was
 *   being written when the hub ended
 * @throws {SystemError} and {Error} of node:fs, or if no data directory is there
 */
export function readJournal(
  directory: DataDirectory,
  date: string,
  take: (path: string, sum: string) => void,
): boolean {
  const read = (): boolean => {
    for (const line of linesOf(journalPath(directory, date))) {
      const { path = "", sum } = parseSum(line) ?? {};
      if (sum === undefined || !isOf(path, date)) return false;
      take(path, sum);
    }
    return true;
  };
  const isGood = unlessMissing(read);
  if (isGood === false) {
    using folder = open(directory);
    folder.unlink(date);
  }
  return isGood ?? false;
}

function isOf(path: string, date: string): boolean {
  return parseMember(path, date) !== undefined || manifestNumber(path, date) !== undefined;
}

/** Removes the journal of a day that has no files any more. */
export function removeJournal(directory: DataDirectory, date: string): void {
  using folder = open(directory);
  folder.unlink(date);
}

/**
 * Removes all journals, unless they are of this place. Images that are in one bucket need not be in
 * another, or in one that was emptied.
 *
 * @param place what no other folder in a bucket has
 * @returns whether they were of this place
 * @throws {SystemError} and {Error} of node:fs if they cannot be removed, or if no data directory
 *   is there
 */
export function keepJournalsOf(directory: DataDirectory, place: string): boolean {
  const known = unlessMissing(() => readFileSync(`${directory.own}/${PLACE}`, "utf8"));
  if (known === `${place}\n`) return true;
  using own = openOwn(directory);
  own.unlink(PLACE);
  using folder = open(directory);
  for (const date of folder.names()) folder.unlink(date);
  folder.flush();
  try {
    writeOwn(directory, PLACE, `${place}\n`, true);
  } catch {
    // There may be no room, and there is none until what is here is copied. Without the file, the
    // bucket is asked about everything again.
  }
  return false;
}

/** The dates that have a journal. */
export function journals(directory: DataDirectory): string[] {
  using folder = open(directory);
  return folder.names();
}

function open(directory: DataDirectory): Folder {
  using own = openOwn(directory);
  const folder = own.makeFolder(FOLDER);
  folder.use((fd) => giveToOwner(fd, directory));
  return folder;
}
