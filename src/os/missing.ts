/**
 * Files and folders that may be gone: somebody may remove them at any time.
 *
 * @module
 */

import type { SystemError } from "./ffi.ts";

/**
 * Reads something that may not be there.
 *
 * @returns undefined if the file or its folder is not there, or a link is in the folder's place
 */
export function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException | SystemError;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
