/**
 * Clears away what a crash left unfinished: files under hidden temporary names, which only file systems without `O_TMPFILE` have.
 *
 * @module
 */

import { readdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { TEMPORARY_PREFIX } from "./whole-file.ts";

/** Newest date folders that are looked into. A crash leaves files in the folder of its day, or of those beside it. */
const FOLDERS_MAX = 4;

/**
 * Removes them. The lock on the data directory has to be held: those of another hub would go too.
 *
 * @returns how many there were
 * @throws {Error} of node:fs
 */
export function clearLeftovers(dataDirectory: string): number {
  const images = join(dataDirectory, "images");
  const newest = namesIn(images)
    .filter((name) => /^\d{4}-\d{2}-\d{2}$/.test(name))
    .toSorted()
    .slice(-FOLDERS_MAX);
  const folders = [dataDirectory, ...newest.map((name) => join(images, name)), join(dataDirectory, "logs")];
  const leftovers = folders.flatMap((folder) =>
    namesIn(folder)
      .filter((name) => name.startsWith(TEMPORARY_PREFIX))
      .map((name) => join(folder, name)),
  );
  for (const path of leftovers) unlinkSync(path);
  return leftovers.length;
}

function namesIn(folder: string): string[] {
  // What is no folder and bears the name of one is not the hub's, and no reason not to start.
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(folder) : [];
}
