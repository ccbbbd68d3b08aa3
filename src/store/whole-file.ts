/**
 * Files that are whole or absent: nobody ever sees one under its final name that is not complete, none is written over,
 * and a crash leaves nothing under a final name that was not finished.
 *
 * A file is written without a name (`O_TMPFILE`) and then linked to the one it is to have, which fails where that is
 * taken. That leaves nothing behind whenever it stops. File systems without `O_TMPFILE` (NFS, exFAT) get a hidden
 * temporary name in the same folder and a rename that does not replace.
 *
 * @module
 */

import { threadId } from "node:worker_threads";
import {
  close,
  fsync,
  link,
  linkUnnamed,
  openNew,
  openUnnamed,
  renameNew,
  SystemError,
  unlink,
} from "../libc.ts";

/** Permissions of new files, before the umask. */
const MODE = 0o644;

/** What hidden temporary names start with. They must not hold `log`: readers take such a file for an event log. */
export const TEMPORARY_PREFIX = ".incoming-";

/** Errors that say: not on this file system (open(2), linkat(2)). */
const UNSUPPORTED = new Set(["EOPNOTSUPP", "EISDIR", "EINVAL", "ENOSYS", "EPERM", "EXDEV"]);

/** Writes whole files into folders of one file system. */
export class WholeFileWriter {
  private unnamedWorks = true;
  private count = 0;

  /** @param durable whether a file's bytes are on the disk before it gets its name */
  constructor(private readonly durable: boolean) {}

  /**
   * Stores a new file.
   *
   * @param folder that is there
   * @param write puts its bytes into the open file
   * @param nextPath gives the path to try first, and further ones for as long as those are taken
   * @returns the path that it got
   * @throws {SystemError} and there is no file then
   */
  create(folder: string, write: (fd: number) => void, nextPath: () => string): string {
    if (this.unnamedWorks) {
      try {
        return this.createUnnamed(folder, write, nextPath);
      } catch (error) {
        if (!(error instanceof SystemError) || !UNSUPPORTED.has(error.code)) throw error;
        this.unnamedWorks = false;
      }
    }
    const { fd, path: hidden } = this.openHidden(folder);
    try {
      try {
        this.fill(fd, write);
      } catch (error) {
        closeQuietly(fd);
        throw error;
      }
      close(fd);
      for (;;) {
        const path = nextPath();
        if (tryName(() => moveNew(hidden, path))) return path;
      }
    } finally {
      unlink(hidden);
    }
  }

  /** On the way of every image: without functions or objects made anew for each. */
  private createUnnamed(folder: string, write: (fd: number) => void, nextPath: () => string): string {
    const fd = openUnnamed(folder, MODE);
    let path: string;
    try {
      this.fill(fd, write);
      do path = nextPath();
      while (!linkUnnamed(fd, path));
    } catch (error) {
      closeQuietly(fd);
      throw error;
    }
    close(fd);
    return path;
  }

  /** Opens a file under a hidden name. Names that an earlier process of the same number left in use are passed over. */
  private openHidden(folder: string): { fd: number; path: string } {
    for (;;) {
      const path = `${folder}/${TEMPORARY_PREFIX}${process.pid}-${threadId}-${this.count++}`;
      try {
        return { fd: openNew(path, MODE), path };
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "EEXIST") throw error;
      }
    }
  }

  private fill(fd: number, write: (fd: number) => void): void {
    write(fd);
    if (this.durable) fsync(fd);
  }
}

function closeQuietly(fd: number): void {
  try {
    close(fd);
  } catch {
    // There is an earlier error, which says more.
  }
}

/** @returns false where the name is taken */
function tryName(give: () => void): boolean {
  try {
    give();
    return true;
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EEXIST") throw error;
    return false;
  }
}

/** Moves a file to a name that is not taken, by a link where the file system has no such rename. */
function moveNew(from: string, to: string): void {
  try {
    renameNew(from, to);
  } catch (error) {
    if (!(error instanceof SystemError) || !UNSUPPORTED.has(error.code)) throw error;
    link(from, to);
  }
}
