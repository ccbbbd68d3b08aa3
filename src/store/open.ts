/**
 * Opens the data directory when the hub starts: makes it, locks it, and clears away what an earlier
 * run left.
 *
 * @module
 */

import { accessSync, constants, existsSync, lstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { EXIT, FatalError, messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { fsyncDirectory } from "../os/files.ts";
import { Integer, type Shared } from "../shared/memory.ts";
import { COMMITTED_S } from "../version.ts";
import { clockFloor } from "./clock-floor.ts";
import type { DataDirectory } from "./data-directory.ts";
import type { DataGuard } from "./data-guard.ts";
import { DataDirectoryInUse, type DataLock } from "./data-lock.ts";
import { fileSystemOf, missingMountOf } from "./file-system.ts";
import { clearLeftovers } from "./leftovers.ts";

/**
 * Opens it for all threads: which directory it is, and the earliest day that the clock can show,
 * stand in shared memory from then on.
 *
 * @param guard adopts the directory that is there
 * @param lock of that directory; it is taken
 * @throws {FatalError} where the directory cannot be made or written, or is in use
 */
export function openDataDirectory(
  guard: DataGuard,
  lock: DataLock,
  shared: Shared,
  log: Pick<Log, "info" | "warn">,
): void {
  const { directory } = guard;
  const { path } = directory;
  try {
    expectDisk(directory);
    if (makeDirectory(path)) log.info(`Made the data directory ${path}, on ${fileSystemOf(path)}`);
    fsyncDirectory(path);
    lock.acquire();
    for (const folder of directory.folders) makeDirectory(folder);
    guard.adopt();
    clear(directory, log);
    Atomics.store(shared.integers, Integer.clockFloor, clockFloor(directory, COMMITTED_S));
  } catch (cause) {
    if (cause instanceof FatalError) throw cause;
    if (cause instanceof DataDirectoryInUse)
      throw new FatalError(EXIT.data, cause.message, { cause });
    const reason = messageOf(cause);
    // The unit names the directory, too, and nothing else can be written.
    const hint =
      reason.includes("EROFS") && process.env["INVOCATION_ID"] !== undefined
        ? "; if the setting was changed, ReadWritePaths= of the unit has to be, too (Ansible and service install do that)"
        : "";
    throw new FatalError(
      EXIT.data,
      `Cannot write in the data directory ${path}: ${reason}${hint}`,
      { cause },
    );
  }
}

/** What it cannot look at or remove, it leaves: that keeps no image from being stored. */
function clear(directory: DataDirectory, log: Pick<Log, "warn">): void {
  const { removed, failures } = clearLeftovers(directory);
  if (removed > 0) log.warn(`Removed ${removed} unfinished files that an earlier run left`);
  const [first, ...others] = failures;
  if (first === undefined) return;
  const more = others.length === 0 ? "" : `, and ${others.length} more like it`;
  log.warn(`Cannot look for unfinished files of an earlier run, or remove them: ${first}${more}`);
}

/**
 * The disk with the data directory has to be there: only the directory itself may be made, and not
 * where its disk is missing.
 *
 * @throws {FatalError}
 */
function expectDisk({ path: data, images }: DataDirectory): void {
  if (lstatSync(data, { throwIfNoEntry: false }) === undefined) {
    const missing = firstMissing(dirname(data));
    if (missing !== undefined)
      throw new FatalError(
        EXIT.data,
        `Cannot make the data directory ${data}: ${missing} is not there; mount the disk, or make it`,
      );
  }
  // Where the hub has stored before, that is what is meant.
  const point = existsSync(images) ? undefined : missingMountOf(data);
  if (point !== undefined)
    throw new FatalError(
      EXIT.data,
      `Cannot use the data directory ${data}: nothing is mounted at ${point}, and /etc/fstab has a disk for it; mount it, or take that line out`,
    );
}

/** The uppermost directory on the way to a path that is not there. */
function firstMissing(path: string): string | undefined {
  if (existsSync(path)) return undefined;
  return firstMissing(dirname(path)) ?? path;
}

/**
 * Makes a directory, brings its name to the disk, and looks whether it can be written.
 *
 * @returns whether it was made
 * @throws {Error} of node:fs
 */
function makeDirectory(path: string): boolean {
  let isNew = true;
  try {
    mkdirSync(path);
    fsyncDirectory(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    isNew = false;
  }
  accessSync(path, constants.W_OK | constants.X_OK);
  return isNew;
}
