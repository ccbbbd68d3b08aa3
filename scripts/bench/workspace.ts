/**
 * The folders for measurements: one in memory, one on a disk. They are emptied between
 * measurements, because the files are many, and removed when the process ends.
 *
 * @module
 */

import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { atExit } from "../lib/at-exit.ts";

/** The start of a folder's name; the process id follows. */
const PREFIX = "imagehub-bench-";

/** The part of the free space that images may take. */
const SHARE_OF_SPACE = 0.5;

/**
 * Makes a folder for this process in `parent` and removes it at exit. Also removes folders of runs
 * that were killed.
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

/** Removes a folder with its content, if it exists. */
export function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** How many files of this size may be written into a folder. */
export function roomFor(folder: string, bytes: number): number {
  const { bavail, bsize } = statfsSync(folder);
  return Math.floor((bavail * bsize * SHARE_OF_SPACE) / Math.max(bytes, bsize));
}

/** Flushes a file system, so the writes of one measurement do not slow down the next. */
export function settle(folder: string): void {
  Bun.spawnSync(["sync", "--file-system", folder], { stdio: ["ignore", "ignore", "ignore"] });
}
