/**
 * A library that the executable carries, made loadable without a file on disk.
 *
 * `dlopen` of an embedded path unpacks it into a file under /tmp first, which fails where the
 * system disk is full or /tmp is mounted noexec. A file in memory always works, and leaves nothing
 * behind.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { memoryFile } from "../os/memory.ts";

/**
 * @returns a path for `dlopen`; the embedded path itself where the kernel gives no file in memory
 */
export function inMemory(embedded: string): string {
  try {
    return memoryFile("libzmq", readFileSync(embedded));
  } catch {
    return embedded;
  }
}
