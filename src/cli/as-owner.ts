/**
 * Commands that change the data directory do it as its owner, also if root calls them: the hub must
 * be able to read and delete what they make.
 *
 * @module
 */

import { statSync } from "node:fs";

/** Root becomes the owner of a directory, for the rest of the process. @throws {Error} of node:fs */
export function actAsOwner(path: string): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = statSync(path);
  if (uid === 0) return;
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}
