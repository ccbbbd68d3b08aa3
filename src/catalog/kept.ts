/**
 * Protected images: those with a second name under `kept`.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { dayOf, type DataDirectory } from "../store/data-directory.ts";

/** The dates with protected images. @throws {Error} of node:fs */
export function keptDates({ kept }: DataDirectory): string[] {
  return namesIn(kept).filter((name) => dayOf(name) !== undefined);
}

/** The names of the protected images of a day. @throws {Error} of node:fs */
export function protectedNames(directory: DataDirectory, date: string): Set<string> {
  return new Set(namesIn(directory.keptFolder(date)));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
