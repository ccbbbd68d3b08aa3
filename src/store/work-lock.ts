/**
 * Keeps two processes from the same long work on one data directory, such as deleting: the hub does
 * it, and a person may start it by a command. It is apart from the hub's own lock, so the command
 * works while the hub runs.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { close, lockExclusive, openCreate } from "../os/files.ts";
import type { DataDirectory } from "./data-directory.ts";

/** What only one process does at a time. */
export type Work = "archive" | "protect" | "prune";

/** Only for its owner, as for the hub's own lock. */
const MODE = 0o600;

/** The lock, until it is disposed of. The kernel releases it when the process ends. */
export class WorkLock implements Disposable {
  private constructor(private readonly fd: number) {}

  /**
   * @returns undefined if another process holds it
   * @throws {SystemError} and {Error} of node:fs
   */
  static tryToTake({ own }: DataDirectory, work: Work): WorkLock | undefined {
    mkdirSync(own, { recursive: true });
    const fd = openCreate(`${own}/${work}.lock`, MODE);
    let isTaken = false;
    try {
      isTaken = lockExclusive(fd);
    } finally {
      if (!isTaken) close(fd);
    }
    return isTaken ? new WorkLock(fd) : undefined;
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}
