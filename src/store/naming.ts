/**
 * How a file with a hidden name gets its final name, and which characters the name may not contain.
 * Both differ between file systems and are found out by trying.
 *
 * @module
 */

import { lstatSync, readdirSync } from "node:fs";
import { SystemError } from "../os/ffi.ts";
import { close, link, openNew, rename, renameNew, unlink } from "../os/files.ts";
import type { SharedLock } from "../shared/lock.ts";

/** Errors that mean: not on this file system (open(2), linkat(2), renameat2(2)). */
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
 * Errors that mean: not with this name, if another name has just worked. exFAT through FUSE returns
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
 * Characters that FAT, exFAT and NTFS do not allow in names, besides those that the hub never uses.
 */
const SPECIAL = ['"', "*", ":", "<", ">", "?", "|"] as const;

/**
 * Names of Windows devices, whatever the suffix. Some file systems that refuse the characters also
 * refuse these.
 */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)\./i;

/** Letters of two, three and four bytes: old code pages lack them. */
const LETTERS = "\u00e9\u65e5\u{1f600}";

/**
 * - `link`: the file gets a second name and loses the first
 * - `renameNew`: a rename that never replaces (`RENAME_NOREPLACE`)
 * - `rename`: checks that the name is free, then renames; under a lock, because these are two steps
 */
type Way = "link" | "renameNew" | "rename";

/** The abilities of one file system. */
export class Naming {
  private constructor(
    private readonly way: Way,
    private readonly refused: RegExp | undefined,
    private readonly lock: SharedLock,
  ) {}

  /**
   * Tries them with hidden files in a folder. Removes these afterwards.
   *
   * @param stem a hidden path in the folder that nobody else uses
   * @param lock shared by all who name files there
   * @throws {SystemError} if the disk takes no file at all
   */
  static find(folder: string, stem: string, lock: SharedLock): Naming {
    return new Naming(findWay(stem), findRefused(folder, stem), lock);
  }

  /**
   * Whether files get their names by a link. Watching programs are then told only that a file was
   * made, not that it is whole.
   */
  get isLink(): boolean {
    return this.way === "link";
  }

  /** A path whose file name contains nothing that is refused here. */
  fitting(path: string): string {
    if (this.refused === undefined) return path;
    const end = path.lastIndexOf("/") + 1;
    return path.slice(0, end) + path.slice(end).replace(this.refused, "-").replace(DEVICE, "$1-");
  }

  /**
   * Gives a file its name. The hidden name may stay. @returns false if the name is taken @throws
   * {SystemError} if that fails
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

/** @returns the characters to replace in a name; undefined if none */
function findRefused(folder: string, stem: string): RegExp | undefined {
  const paths = new Map([...SPECIAL, LETTERS].map((part) => [part, `${stem}-${part}-c`]));
  const isMade = new Set<string>();
  try {
    for (const [part, path] of paths) if (tryMake(path)) isMade.add(part);
    // Some file systems accept a name but store another one.
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

/** Makes an empty file. Replaces one that an earlier process with the same id left. */
function make(path: string): void {
  unlink(path);
  close(openNew(path, 0o600));
}
