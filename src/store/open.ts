/**
 * Opens the data directory when the hub starts: makes it, locks it, and removes leftovers of an
 * earlier run.
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
 * Opens the directory for all threads. Puts its identity and the earliest possible day of the clock
 * into shared memory.
 *
 * @param guard adopts the directory
 * @param lock of the directory; is taken
 * @throws {FatalError} if the directory cannot be made or written, or is in use
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
    // The unit also names the directory; systemd lets the hub write nowhere else.
    const hint =
      reason.includes("EROFS") && process.env["INVOCATION_ID"] !== undefined
        ? "; if the setting was changed, ReadWritePaths= of the unit has to be, too (Ansible and service install do that)"
        : "";
    throw new FatalError(
      EXIT.data,
      `Cannot write to the data directory ${path}: ${reason}${hint}`,
      { cause },
    );
  }
}

/** Leaves what it cannot read or remove: that does not prevent storing. */
function clear(directory: DataDirectory, log: Pick<Log, "warn">): void {
  const { removed, failures } = clearLeftovers(directory);
  if (removed > 0) log.warn(`Removed ${removed} unfinished files of an earlier run`);
  const [first, ...others] = failures;
  if (first === undefined) return;
  const more = others.length === 0 ? "" : `, and ${others.length} more like it`;
  log.warn(`Cannot find or remove unfinished files of an earlier run: ${first}${more}`);
}

/**
 * The disk of the data directory must be mounted. Only the directory itself may be made, and only
 * if its disk is not missing.
 *
 * @throws {FatalError} if the disk or a parent is missing
 */
function expectDisk({ path: data, images }: DataDirectory): void {
  if (lstatSync(data, { throwIfNoEntry: false }) === undefined) {
    const missing = firstMissing(dirname(data));
    if (missing !== undefined)
      throw new FatalError(
        EXIT.data,
        `Cannot make the data directory ${data}: ${missing} does not exist; mount the disk, or create it`,
      );
  }
  // If the hub has stored here before, this is the intended place.
  const point = existsSync(images) ? undefined : missingMountOf(data);
  if (point !== undefined)
    throw new FatalError(
      EXIT.data,
      `Cannot use the data directory ${data}: nothing is mounted at ${point}, but /etc/fstab has a disk for it; mount it, or remove that line`,
    );
}

/** The topmost missing directory in a path. */
function firstMissing(path: string): string | undefined {
  if (existsSync(path)) return undefined;
  return firstMissing(dirname(path)) ?? path;
}

/**
 * Makes a directory, flushes its name to disk, and checks that it can be written.
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
