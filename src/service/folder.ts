/**
 * Directories on whose way users can change things: what root makes there by a path, a user could
 * have it make elsewhere, with a link in the place of a directory, in the right moment. So the way
 * is gone step by step, through no link, and what is made is made in the directory that was opened.
 *
 * @module
 */

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
} from "node:fs";
import type { Account } from "./account.ts";

const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Opens a directory for as long as `use` takes.
 *
 * @param path absolute, with no symbolic link in it
 * @param use is given a path that leads to what was opened, whatever becomes of `path`
 * @param owner of directories on the way that are not there, and are made; undefined: none is
 * @throws {Error} of node:fs, ENOTDIR where something on the way is a link
 */
export function withFolder<T>(path: string, use: (opened: string) => T, owner?: Account): T {
  let fd = openSync("/", FLAGS);
  try {
    for (const name of path.split("/").filter((part) => part !== "")) {
      const next = openIn(fd, name, owner);
      closeSync(fd);
      fd = next;
    }
    return use(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

function openIn(fd: number, name: string, owner: Account | undefined): number {
  const path = `/proc/self/fd/${fd}/${name}`;
  try {
    return openSync(path, FLAGS);
  } catch (error) {
    if (owner === undefined || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  mkdirSync(path);
  const made = openSync(path, FLAGS);
  try {
    if (fstatSync(made).uid !== process.getuid?.())
      throw new Error("Somebody has put another directory in its place");
    // Whatever mask of permissions root has: those who read the images may be other users.
    fchmodSync(made, 0o755);
    fchownSync(made, owner.uid, owner.gid);
    return made;
  } catch (error) {
    closeSync(made);
    throw error;
  }
}
