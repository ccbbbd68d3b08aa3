/**
 * Names that some file systems refuse, such as FAT those with `:`.
 *
 * @module
 */

import { SystemError } from "../os/ffi.ts";

/**
 * Errors that mean: not with this name, but with others. FAT allows some characters in no name.
 * exFAT through FUSE returns ENOENT.
 */
const NAME_REFUSED: ReadonlySet<string> = new Set([
  "EINVAL",
  "EILSEQ",
  "ENAMETOOLONG",
  "ENOENT",
  "EPROTO",
]);

/** How many of them are tried: they may have four bytes each. */
const UNUSUAL_MAX = 40;

/**
 * The characters of a name that some file system refuses, such as FAT `:`. With them in the name of
 * the unfinished file, a name is refused before its file is copied.
 */
export function unusualIn(name: string): string {
  return [...new Set(name.replaceAll(/[\w.-]/g, ""))].slice(0, UNUSUAL_MAX).join("");
}

/** Whether this error means so. */
export function isNameRefused(error: unknown): error is SystemError {
  return (
    error instanceof SystemError &&
    ["open", "rename"].includes(error.syscall) &&
    NAME_REFUSED.has(error.code)
  );
}
