/**
 * The priority of threads that cameras must never wait for.
 *
 * @module
 */

import { setPriority } from "node:os";

/** The niceness of such a thread, see setpriority(2): cameras come first. */
const NICE = 10;

/**
 * Lowers the priority of this thread: on Linux, each has one of its own. Where that is not allowed,
 * it stays.
 */
export function giveWay(): void {
  try {
    setPriority(NICE);
  } catch {
    // As above.
  }
}
