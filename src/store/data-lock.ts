/**
 * Keeps a second hub off a data directory, so that no two ever number, name and turn over the same files.
 *
 * The lock is flock(2) on a file in the directory. The kernel lets go of it when the process ends, however that happens, so
 * a crash leaves nothing stuck; what stands in the file only tells a person who holds it.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { close, lockExclusive, openCreate } from "../libc.ts";

/** The file's name. */
const LOCK_FILE = ".imagehub.lock";

/** A data directory that another hub writes to. */
export class DataDirectoryInUse extends Error {
  override readonly name = "DataDirectoryInUse";
}

/**
 * Locks a data directory until the process ends; no sooner, as threads that wait for a stalled disk may write at any time.
 *
 * @throws {DataDirectoryInUse} where another process holds it
 * @throws {SystemError} of `libc.ts`, where the file cannot be made
 */
export function lockDataDirectory(directory: string): void {
  const path = `${directory}/${LOCK_FILE}`;
  const fd = openCreate(path);
  if (!lockExclusive(fd)) {
    close(fd);
    const holder = readFileSync(path, "utf8").trim() || "another process";
    throw new DataDirectoryInUse(`The data directory ${directory} is in use by ${holder}`);
  }
  try {
    // Through a descriptor of its own: the one that is kept is for reading only, and so keeps no disk from being mounted so.
    writeFileSync(path, `imagehub, process ${process.pid} on ${hostname()}\n`);
  } catch {
    // A disk that is full: the lock holds all the same, and a hub that is started again has to be there when it heals.
  }
}
