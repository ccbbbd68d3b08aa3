/**
 * A copy under the same name in another folder, where a hard link is not possible. It has exactly
 * this name: under another one, it would protect nothing.
 *
 * @module
 */

import { realpathSync } from "node:fs";
import { contentOf, copyFile } from "../archive/content.ts";
import { isNameRefused, unusualIn } from "../archive/refused.ts";
import { roomIn } from "../archive/restore-target.ts";
import { close } from "../os/files.ts";
import { type Entry, Folder } from "../os/folder.ts";
import { type DataDirectory, TEMPORARY_PREFIX } from "../store/data-directory.ts";

/**
 * Copies a file. The copy is on the disk before it has its name.
 *
 * @returns why it cannot be there, as a message
 * @throws {SystemError} and {Error} of node:fs
 */
export function copyInstead(
  { path }: DataDirectory,
  from: Folder,
  to: Folder,
  name: string,
  { size, modifiedS }: Entry,
): string | undefined {
  const what = `${from.path}/${name} cannot`;
  const { freeBytes, spareBytes } = roomIn(to.path);
  if (freeBytes < size + spareBytes) return `${what} be copied to ${to.path}: there is no room`;
  using top = Folder.open(realpathSync(path));
  // Programs that watch a folder see only final names, unless it is on a disk of its own.
  const place = to.entry(".")!.device === top.entry(".")!.device ? top : to;
  const unfinished = `${TEMPORARY_PREFIX}protect${unusualIn(name)}`;
  const fd = from.openFile(name);
  try {
    // That of an earlier run, which was ended.
    place.unlink(unfinished);
    const copy = { content: contentOf(fd), modifiedS, place, unfinished, folder: to, name };
    if (copyFile(copy) === undefined) return `${what} be copied to ${to.path}: the name is taken`;
    return undefined;
  } catch (error) {
    if (!isNameRefused(error)) throw error;
    return `${what} have this name in ${to.path} (${error.code})`;
  } finally {
    close(fd);
  }
}
