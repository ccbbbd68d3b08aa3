/**
 * The folders that measurements are made in: one in memory, one on a disk. They are emptied between
 * measurements, for the files are many, and are gone when the process ends.
 *
 * @module
 */

import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { atExit } from "../lib/at-exit.ts";

/** What the folder of a run is called, with the number of its process. */
const PREFIX = "imagehub-bench-";

/** What share of the free space images may take. */
const SHARE_OF_SPACE = 0.5;

/**
 * A folder of this process in another one, which is gone at the exit. Those of runs that were
 * killed go too.
 */
export function workFolder(parent: string): string {
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent).filter((each) => each.startsWith(PREFIX)))
    if (!existsSync(join("/proc", name.slice(PREFIX.length)))) remove(join(parent, name));
  const folder = join(parent, `${PREFIX}${process.pid}`);
  mkdirSync(folder);
  atExit(() => remove(folder));
  return folder;
}

/** Removes a folder with all that is in it, or nothing. */
export function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** How many files of a size may be written into a folder. */
export function roomFor(folder: string, bytes: number): number {
  const { bavail, bsize } = statfsSync(folder);
  return Math.floor((bavail * bsize * SHARE_OF_SPACE) / Math.max(bytes, bsize));
}

/** Brings a file system to rest, so that what one measurement wrote does not hold up the next. */
export function settle(folder: string): void {
  Bun.spawnSync(["sync", "--file-system", folder], { stdio: ["ignore", "ignore", "ignore"] });
}
