/**
 * Commands that change data act as the owner of the data directory. Files of root would be in the
 * way of the hub.
 *
 * @module
 */

import { type Stats, statSync } from "node:fs";
import { readingReason } from "../config/layer.ts";
import { EXIT, FatalError } from "../errors.ts";
import type { DataDirectory } from "../store/data-directory.ts";

/**
 * Root becomes the owner of the data directory, for the rest of this process.
 *
 * @param command for messages, such as `archive`
 * @param changes whether the command changes data; then another user than the owner is refused
 * @throws {FatalError}
 */
export function actAsOwner({ path }: DataDirectory, command: string, changes: boolean): void {
  const { uid, gid } = lookAt(path);
  const self = process.geteuid?.();
  if (self === 0 && uid !== 0) become(uid, gid);
  else if (changes && self !== uid && self !== 0) {
    throw new FatalError(
      EXIT.data,
      `${path} belongs to another user; run it as that user or as root: sudo ${process.execPath} ${command}`,
    );
  }
}

/** initgroups(3), which the types of the runtime lack. */
interface Groups {
  initgroups(user: number, group: number): void;
}

function lookAt(path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    const advice = "--data names another data directory";
    throw new FatalError(EXIT.data, `Cannot use ${path}: ${readingReason(cause)}; ${advice}`, {
      cause,
    });
  }
}

function become(uid: number, gid: number): void {
  try {
    // Also its other groups: one of them may be that of a disk.
    (process as Partial<Groups>).initgroups?.(uid, gid);
  } catch {
    // The user may be unknown here, if the disk comes from another machine.
    process.setgroups?.([gid]);
  }
  process.setgid?.(gid);
  process.setuid?.(uid);
}
