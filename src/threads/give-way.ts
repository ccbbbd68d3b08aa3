/**
 * The priority of threads that cameras must never wait for.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { setPriority } from "node:os";
import { unlessMissing } from "../os/missing.ts";

/** The name of the runtime's thread for `fetch`, as the kernel has it. */
const FETCH_THREAD = "HTTP Client\n";

/** What setpriority(2) takes for the thread that calls it. */
const THIS_THREAD = 0;

/** The niceness of such a thread, see setpriority(2): cameras come first. */
const NICE = 10;

/**
 * Lowers the priority of this thread: on Linux, each has one of its own. Where that is not allowed,
 * it stays.
 */
export function giveWay(): void {
  lower(THIS_THREAD);
}

/**
 * Lowers the priority of the thread in which the runtime sends and receives for all `fetch` of this
 * process. It starts with the first one.
 *
 * @returns whether it was there
 */
export function fetchGivesWay(): boolean {
  const tasks = "/proc/self/task";
  const found = readdirSync(tasks).find(
    (id) => unlessMissing(() => readFileSync(`${tasks}/${id}/comm`, "utf8")) === FETCH_THREAD,
  );
  if (found === undefined) return false;
  lower(Number(found));
  return true;
}

function lower(thread: number): void {
  try {
    setPriority(thread, NICE);
  } catch {
    // It is not allowed.
  }
}
