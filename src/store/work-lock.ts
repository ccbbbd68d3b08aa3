/**
 * Keeps two processes from the same long work on one data directory, such as deleting: the hub does
 * it, and a person may start it by a command. It is apart from the hub's own lock, so the command
 * works while the hub runs.
 *
 * @module
 */

import { close, openLocked } from "../os/files.ts";
import type { DataDirectory } from "./data-directory.ts";
import { giveToOwner, openOwn } from "./own-folder.ts";

/** What only one process does at a time. */
export type Work = "archive" | "protect" | "prune" | "restore";

/** Only for its owner, as for the hub's own lock. */
const MODE = 0o600;

/** The lock, until it is disposed of. The kernel releases it when the process ends. */
export class WorkLock implements Disposable {
  private constructor(private readonly fd: number | undefined) {}

  /**
   * Takes the lock. A disk that has no room for the file of the lock must still be emptied: then
   * there is none. Two that delete at once do no harm, but may delete more than one would.
   *
   * @returns undefined if another process holds it
   * @throws {Error} if no data directory is there
   * @throws {SystemError} and {Error} of node:fs
   */
  static tryToTake(directory: DataDirectory, work: Work): WorkLock | undefined {
    try {
      using own = openOwn(directory);
      const fd = openLocked((access) => own.openCreate(`${work}.lock`, MODE, access));
      if (fd === undefined) return undefined;
      giveToOwner(fd, directory);
      return new WorkLock(fd);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (["ENOSPC", "EDQUOT"].includes(code)) return new WorkLock(undefined);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.fd !== undefined) close(this.fd);
  }
}
