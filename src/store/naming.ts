/**
 * How a file with a hidden name gets its real one, and which characters that may not hold: it
 * differs between file systems, and is found out by trying it.
 *
 * @module
 */

import { lstatSync, readdirSync } from "node:fs";
import { SystemError } from "../os/ffi.ts";
import { close, link, openNew, rename, renameNew, unlink } from "../os/files.ts";
import type { SharedLock } from "../shared/lock.ts";

/** Errors that say: not on this file system (open(2), linkat(2), renameat2(2)). */
export const UNSUPPORTED: ReadonlySet<string> = new Set([
  "EOPNOTSUPP",
  "ENOTSUP",
  "EISDIR",
  "EINVAL",
  "ENOSYS",
  "EPERM",
  "EXDEV",
]);

/**
 * Errors that say: not under this name, where another name has just worked. exFAT through FUSE says
 * ENOENT.
 */
const NAME_REFUSED: ReadonlySet<string> = new Set([
  "EINVAL",
  "ENOENT",
  "EILSEQ",
  "EPROTO",
  "EPERM",
  "EACCES",
  "EOPNOTSUPP",
  "ENOTSUP",
]);

/**
 * What FAT, exFAT and NTFS have no place for in a name, beside those that no name of the hub has.
 */
const SPECIAL = ['"', "*", ":", "<", ">", "?", "|"] as const;

/**
 * Devices of Windows, whatever comes behind the dot: some that refuse the others refuse these, too.
 */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)\./i;

/** Letters of two, three and four bytes: old code pages do not have them. */
const LETTERS = "\u00e9\u65e5\u{1f600}";

/**
 * - `link`: it gets a second name, and loses the first
 * - `renameNew`: a rename that never replaces (`RENAME_NOREPLACE`)
 * - `rename`: a look whether the name is free, then a rename; under a lock, as both together take
 *   time
 */
type Way = "link" | "renameNew" | "rename";

/** What one file system can do. */
export class Naming {
  private constructor(
    private readonly way: Way,
    private readonly refused: RegExp | undefined,
    private readonly lock: SharedLock,
  ) {}

  /**
   * Tries it with hidden files in a folder, and leaves none.
   *
   * @param stem a hidden path in the folder that nobody else uses
   * @param lock that all have who name files there
   * @throws {SystemError} where the disk takes no file at all
   */
  static find(folder: string, stem: string, lock: SharedLock): Naming {
    return new Naming(findWay(stem), findRefused(folder, stem), lock);
  }

  /**
   * Whether the file gets its name by a link, of which watchers are told only that it was made, not
   * that it is whole.
   */
  get isLink(): boolean {
    return this.way === "link";
  }

  /** A path with nothing in its file name that is refused here. */
  fitting(path: string): string {
    if (this.refused === undefined) return path;
    const end = path.lastIndexOf("/") + 1;
    return path.slice(0, end) + path.slice(end).replace(this.refused, "-").replace(DEVICE, "$1-");
  }

  /**
   * Gives a file its name; the hidden one may be left. @returns false where the name is taken
   * @throws {SystemError}
   */
  give(hidden: string, path: string): boolean {
    if (this.way === "rename") return this.renameUnlessTaken(hidden, path);
    try {
      if (this.way === "link") link(hidden, path);
      else renameNew(hidden, path);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== "EEXIST") throw error;
      return false;
    }
  }

  private renameUnlessTaken(hidden: string, path: string): boolean {
    this.lock.acquire();
    try {
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return false;
      rename(hidden, path);
      return true;
    } finally {
      this.lock.release();
    }
  }
}

function findWay(stem: string): Way {
  const [from, to] = [`${stem}-a`, `${stem}-b`];
  make(from);
  try {
    if (works(link, from, to)) return "link";
    return works(renameNew, from, to) ? "renameNew" : "rename";
  } finally {
    unlink(from);
    unlink(to);
  }
}

function works(give: typeof link, from: string, to: string): boolean {
  try {
    give(from, to);
    return true;
  } catch (error) {
    if (!(error instanceof SystemError) || !UNSUPPORTED.has(error.code)) throw error;
    return false;
  }
}

/** @returns what is to be replaced in a name; undefined: nothing */
function findRefused(folder: string, stem: string): RegExp | undefined {
  const paths = new Map([...SPECIAL, LETTERS].map((part) => [part, `${stem}-${part}-c`]));
  const isMade = new Set<string>();
  try {
    for (const [part, path] of paths) if (tryMake(path)) isMade.add(part);
    // Some file systems take a name and keep another one.
    const names = new Set(readdirSync(folder));
    const isKept = (part: string): boolean =>
      isMade.has(part) && names.has(paths.get(part)!.slice(folder.length + 1));
    const special = SPECIAL.filter((part) => !isKept(part)).map(
      (part) => `\\u{${part.codePointAt(0)!.toString(16)}}`,
    );
    const letters = isKept(LETTERS) ? [] : ["\\u{80}-\\u{10ffff}"];
    const parts = [...special, ...letters].join("");
    return parts === "" ? undefined : new RegExp(`[${parts}]`, "gu");
  } finally {
    for (const part of isMade) unlink(paths.get(part)!);
  }
}

function tryMake(path: string): boolean {
  try {
    make(path);
    return true;
  } catch (error) {
    if (!(error instanceof SystemError) || !NAME_REFUSED.has(error.code)) throw error;
    return false;
  }
}

/** Makes an empty file, in place of one that an earlier process of the same number left. */
function make(path: string): void {
  unlink(path);
  close(openNew(path, 0o600));
}
