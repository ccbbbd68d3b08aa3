/**
 * Clears away what a crash left unfinished: files under hidden temporary names, which only file
 * systems without `O_TMPFILE` have.
 *
 * @module
 */

import { readdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { type DataDirectory, dayOf, isTemporary } from "./data-directory.ts";

/**
 * Newest date folders that are looked into. A crash leaves files in the folder of its day, or of
 * those beside it.
 */
const FOLDERS_MAX = 4;

/** What became of them. */
export interface Cleared {
  /** How many were removed. */
  readonly removed: number;
  /** Why some could not be, and folders that could not be looked into. */
  readonly failures: readonly string[];
}

/**
 * Removes them. The lock on the data directory has to be held: those of another hub would go too.
 * It never throws.
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
  // What is no folder and bears the name of one is not the hub's.
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true
    ? readdirSync(folder)
    : [];
}
