/**
 * Opens directories whose path may cross directories of other users.
 *
 * If root makes something by a path, a user could replace a directory of it by a link at the right
 * moment, and so choose another place. So the path is followed step by step, through no link, and
 * things are made in the opened directory.
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
 * Opens a directory while `use` runs.
 *
 * @param path absolute, without symbolic links
 * @param use is given a path to the opened directory, valid whatever happens to `path`
 * @param owner of missing directories, which are then made; undefined: make none
 * @throws {Error} of node:fs; ENOTDIR if part of the path is a link
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
      throw new Error("another user has just replaced this directory");
    // Set the mode regardless of root's umask: readers of the images may be other users.
    fchmodSync(made, 0o755);
    fchownSync(made, owner.uid, owner.gid);
    return made;
  } catch (error) {
    closeSync(made);
    throw error;
  }
}
