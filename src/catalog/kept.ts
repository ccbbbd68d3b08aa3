/**
 * The protected images: those with a name in `kept`. The tree is the truth, and is read anew each
 * time.
 *
 * @module
 */

import { SystemError } from "../os/ffi.ts";
import { Folder } from "../os/folder.ts";
import { parseImageFileName } from "../protocol/names.ts";
import { type DataDirectory, dayOf } from "../store/data-directory.ts";

/** How many images there are, and how large they are together. */
export interface Amount {
  images: number;
  bytes: number;
}

/** The dates of all folders in `kept`, the earliest first. @throws {SystemError} */
export function keptDates({ kept }: DataDirectory): string[] {
  using folder = openIfThere(kept);
  return (folder?.names() ?? []).filter((name) => dayOf(name) !== undefined).toSorted();
}

/**
 * The folder with the protected images of a day.
 *
 * @returns undefined if there is none
 * @throws {SystemError} ENOTDIR if a link or something else is in its place: then nobody knows what
 * is protected, and nothing may be deleted
 */
export function openKept(directory: DataDirectory, date: string): Folder | undefined {
  using kept = openIfThere(directory.kept);
  return kept === undefined ? undefined : openIfThere(directory.keptFolder(date));
}

/**
 * The names of the protected images of a day. Whatever is in the way of such a name counts, too: it
 * is better to keep an image too many.
 *
 * @throws {SystemError} as {@link openKept}
 */
export function protectedNames(directory: DataDirectory, date: string): Set<string> {
  using folder = openKept(directory, date);
  return new Set((folder?.names() ?? []).filter((name) => isImage(name, date)));
}

/** How many images of a day are protected. @throws {SystemError} as {@link openKept} */
export function countKept(directory: DataDirectory, date: string): Amount {
  const amount = { images: 0, bytes: 0 };
  using folder = openKept(directory, date);
  for (const name of folder?.names() ?? []) {
    const entry = isImage(name, date) ? folder?.entry(name) : undefined;
    if (entry?.isFile !== true) continue;
    amount.images++;
    amount.bytes += entry.size;
  }
  return amount;
}

/** Whether this is the name of an image of a day. */
function isImage(name: string, date: string): boolean {
  return parseImageFileName(name, date) !== undefined;
}

/** Opens a folder. @returns undefined if nothing is there @throws {SystemError} */
export function openIfThere(path: string): Folder | undefined {
  try {
    return Folder.open(path);
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") return undefined;
    throw error;
  }
}
