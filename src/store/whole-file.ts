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
        const unnamed = openUnnamed(folder, MODE);
        return this.fill(unnamed, write, (fd) => nameFile(nextPath, (to) => linkUnnamed(fd, to)));
      } catch (error) {
        if (!(error instanceof SystemError) || !UNSUPPORTED.has(error.code)) throw error;
        this.unnamedWorks = false;
      }
    }
    const { fd, path } = this.openHidden(folder);
    try {
      this.fill(fd, write, () => undefined);
      return nameFile(nextPath, (to) => moveNew(path, to));
    } finally {
      unlink(path);
    }
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

  /** Writes, does `then`, and closes whatever happens; the error of a close counts only when there was no other. */
  private fill<T>(fd: number, write: (fd: number) => void, then: (fd: number) => T): T {
    let result: T;
    try {
      write(fd);
      if (this.durable) fsync(fd);
      result = then(fd);
    } catch (error) {
      closeQuietly(fd);
      throw error;
    }
    close(fd);
    return result;
  }
}

function closeQuietly(fd: number): void {
  try {
    close(fd);
  } catch {
    // There is an earlier error, which says more.
  }
}

/** Calls `give` with one path after the other, until one is not taken. */
function nameFile(nextPath: () => string, give: (path: string) => void): string {
  for (;;) {
    const path = nextPath();
    try {
      give(path);
      return path;
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== "EEXIST") throw error;
    }
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
