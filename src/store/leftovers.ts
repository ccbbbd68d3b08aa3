/**
 * Removes unfinished files of a crash: those with hidden temporary names. Only file systems without
 * `O_TMPFILE` have them.
 *
 * @module
 */

import { readdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { type DataDirectory, dayOf, isTemporary } from "./data-directory.ts";

/**
 * How many of the newest date folders are searched. A crash leaves files in the folder of its day,
 * or an adjacent one.
 */
const FOLDERS_MAX = 4;

/** The result of the cleanup. */
export interface Cleared {
  /** Number of removed files. */
  readonly removed: number;
  /** Why some could not be removed, and folders that could not be read. */
  readonly failures: readonly string[];
}

/**
 * Removes the files. The data directory must be locked, because another hub's unfinished files
 * would be removed too. Never throws.
 */
export function clearLeftovers(directory: DataDirectory): Cleared {
  const failures: string[] = [];
  const attempt = <T>(action: () => T): T | undefined => {
    try {
      return action();
    } catch (error) {
      failures.push(messageOf(error));
      return undefined;
    }
  };
  const newest = (attempt(() => namesIn(directory.images)) ?? [])
    .filter((name) => dayOf(name) !== undefined)
    .toSorted()
    .slice(-FOLDERS_MAX);
  const folders = [
    directory.path,
    ...newest.map((date) => directory.dateFolder(date)),
    directory.logs,
  ];
  const leftovers = folders.flatMap((folder) =>
    (attempt(() => namesIn(folder)) ?? []).filter(isTemporary).map((name) => join(folder, name)),
  );
  const removed = leftovers.filter(
    (path) => attempt(() => (unlinkSync(path), true)) === true,
  ).length;
  return { removed, failures };
}

function namesIn(folder: string): string[] {
  // Something that has a folder's name but is not a folder is not the hub's.
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true
    ? readdirSync(folder)
    : [];
}
