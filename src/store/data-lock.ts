/**
 * Keeps a second hub off a data directory, so that no two ever number, name and turn over the same files.
 *
 * The lock is flock(2) on a file in the directory. The kernel lets go of it when the process ends, however that happens, so
 * a crash leaves nothing stuck; what stands in the file only tells a person who holds it.
 *
 * @module
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { close, lockExclusive, openCreate } from "../libc.ts";

/** The file's name. */
const LOCK_FILE = ".imagehub.lock";

/** A data directory that another hub writes to. */
export class DataDirectoryInUse extends Error {
  override readonly name = "DataDirectoryInUse";
}

/** How often, and how long in between in milliseconds, the holder's name is read that is still of one that has ended. */
const LOOKS_MAX = 50;
const LOOK_MS = 10;

/** Who holds the lock: in the moment in which it is taken, the name of the holder before still stands in the file. */
function holderIn(path: string): string {
  let text = "";
  for (let look = 0; look < LOOKS_MAX; look++) {
    text = readFileSync(path, "utf8").trim();
    const pid = /process (\d+) on /.exec(text)?.[1];
    if (pid !== undefined && existsSync(`/proc/${pid}`)) return text;
    Bun.sleepSync(LOOK_MS);
  }
  // On another machine, or hidden from this user.
  return text || "another process";
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
    throw new DataDirectoryInUse(
      `The data directory ${directory} is in use by ${holderIn(path)}: stop that, or set another data_directory`,
    );
  }
  try {
    // Through a descriptor of its own: the one that is kept is for reading only, and so keeps no disk from being mounted so.
    writeFileSync(path, `imagehub, process ${process.pid} on ${hostname()}\n`);
  } catch {
    // A disk that is full: the lock holds all the same, and a hub that is started again has to be there when it heals.
  }
}
