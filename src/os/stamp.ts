/**
 * Whether a file or folder is still what it was.
 *
 * @module
 */

import { statSync } from "node:fs";

/**
 * How long a further change may look like the last one, and a little more, in milliseconds: FAT
 * keeps times in steps of two seconds, ext4 in those of the kernel's clock.
 */
const TICK_MS = 3000;

let young = 0;

/**
 * What changes when a file is written, when a name in a folder changes, or when another one is in
 * its place. Just after a change, it is another one each time, as the next change may leave no
 * trace.
 *
 * @throws {Error} of node:fs
 */
export function stampOf(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  const now = BigInt(Date.now());
  const isYoung = [mtimeNs, ctimeNs].some((time) => {
    const ageMs = now - time / 1_000_000n;
    return ageMs < TICK_MS && ageMs > -TICK_MS;
  });
  const stamp = [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  return isYoung ? `${stamp} young ${young++}` : stamp;
}
