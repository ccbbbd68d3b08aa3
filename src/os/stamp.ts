/**
 * Whether a file or folder is still what it was.
 *
 * @module
 */

import { statSync } from "node:fs";

/**
 * What changes when a file is written, when a name in a folder changes, or when another one is in
 * its place. Changes in the same tick of the file system's clock look the same.
 *
 * @throws {Error} of node:fs
 */
export function stampOf(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}
