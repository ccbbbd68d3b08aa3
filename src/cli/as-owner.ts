/**
 * Lets a command that root runs act as the owner of the data directory, so that what it makes there
 * belongs to the hub's user, and no other user can misuse root's rights.
 *
 * @module
 */

import { statSync } from "node:fs";

/**
 * Root becomes the owner of a path, unless that is root. Others stay who they are.
 *
 * @throws {Error} of node:fs if nothing is there
 */
export function actAsOwner(path: string): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = statSync(path);
  if (uid === 0) return;
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}
