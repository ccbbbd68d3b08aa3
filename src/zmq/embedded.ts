/**
 * Makes a library inside the executable loadable without a file on disk.
 *
 * `dlopen` of an embedded path first unpacks it to a file under /tmp. This fails if the system disk
 * is full or /tmp is mounted noexec. A file in memory always works and leaves nothing behind.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { memoryFile } from "../os/memory.ts";

/** @returns a path for `dlopen`; the embedded path itself if no memory file can be made */
export function inMemory(embedded: string): string {
  try {
    return memoryFile("libzmq", readFileSync(embedded));
  } catch {
    return embedded;
  }
}
