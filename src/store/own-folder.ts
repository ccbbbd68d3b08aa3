/**
 * The folder `.imagehub` of a data directory: what the hub can make anew, and locks.
 *
 * It is made only where a data directory is. A lock or a summary in the empty mount point of a disk
 * would be in the way of the disk, and look as if the hub had stored there.
 *
 * @module
 */

import { fchownSync, realpathSync, statSync } from "node:fs";
import { access, chown, mkdir, open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { close, fsync, writeBytes } from "../os/files.ts";
import { Folder } from "../os/folder.ts";
import { type DataDirectory, OWN } from "./data-directory.ts";

/**
 * Opens it, and makes it if missing.
 *
 * @throws {Error} if `images` is missing
 * @throws {SystemError} and {Error} of node:fs
 */
export function openOwn(directory: DataDirectory): Folder {
  using top = Folder.open(realpathSync(directory.path));
  requireImages(directory);
  const own = top.makeFolder(OWN);
  own.use((fd) => giveToOwner(fd, directory));
  return own;
}

/** @throws {Error} if no data directory is there, or only its empty mount point */
export function requireImages({ images }: DataDirectory): void {
  if (statSync(images, { throwIfNoEntry: false }) !== undefined) return;
  throw new Error(
    `There is no ${images}: mount the disk of the data directory, or start the hub once if it is new`,
  );
}

/**
 * Writes a file in it whole, and replaces the one of its name.
 *
 * @param isDurable whether it is on the disk when this returns
 * @throws as {@link openOwn}
 */
export function writeOwn(
  directory: DataDirectory,
  name: string,
  text: string,
  isDurable: boolean,
): void {
  using own = openOwn(directory);
  writeIn(own, directory, name, text, isDurable);
}

/** The same in the open folder, whatever is at its path by now. @throws {SystemError} */
export function writeIn(
  own: Folder,
  directory: DataDirectory,
  name: string,
  text: string,
  isDurable: boolean,
): void {
  const unfinished = `${name}.new`;
  own.unlink(unfinished);
  const fd = own.create(unfinished);
  try {
    writeBytes(fd, Buffer.from(text));
    giveToOwner(fd, directory);
    if (isDurable) fsync(fd);
  } finally {
    close(fd);
  }
  own.move(unfinished, own, name);
  if (isDurable) own.flush();
}

/**
 * As {@link writeOwn} does it durably, but on the runtime's own threads: the caller does not wait
 * for the disk. Rejects with an {@link Error} of node:fs.
 */
export async function writeOwnSoon(
  directory: DataDirectory,
  name: string,
  text: string,
): Promise<void> {
  const { images, own } = directory;
  await access(images);
  await mkdir(own).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await giveToOwnerSoon(own, directory);
  const unfinished = join(own, `${name}.new`);
  const file = await open(unfinished, "w", 0o644);
  try {
    await file.writeFile(text);
    await giveToOwnerSoon(unfinished, directory);
    // Otherwise a power cut may leave an empty file.
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, join(own, name));
}

/**
 * What root makes belongs to the owner of the data directory, who may run the hub next, and as whom
 * the commands of root act.
 */
export function giveToOwner(fd: number, { path }: DataDirectory): void {
  if (process.geteuid?.() !== 0) return;
  try {
    const { uid, gid } = statSync(path);
    fchownSync(fd, uid, gid);
  } catch {
    // A file system without owners.
  }
}

async function giveToOwnerSoon(path: string, directory: DataDirectory): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await stat(directory.path);
  await chown(path, uid, gid).catch(() => undefined);
}
