/**
 * Files with secrets that every user of the machine can read.
 *
 * @module
 */

import type { Stats } from "node:fs";

/** Permission bits of users other than the file's owner and group. */
const OTHERS = 0o007;

/** Whether any user of the machine can read a file. @param mode its permission bits */
export function isExposed({ mode }: Pick<Stats, "mode">): boolean {
  return (mode & OTHERS) !== 0;
}

/** What to say about such a file. @param what secret it has, such as `password` */
export function exposureNotice(what: string, path: string): string {
  return `Every user of this machine can read the ${what} in ${path}. To prevent this: chmod o= ${path}`;
}
