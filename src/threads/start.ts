/**
 * Starts a thread of the hub.
 *
 * @module
 */

import type { ThreadStart } from "../shared/messages.ts";

/**
 * Starts a thread, and gives it all that it needs.
 *
 * @param name the one in `top -H`
 */
export function startThread(entry: URL, name: string, start: ThreadStart): Worker {
  const worker = new Worker(entry, { smol: true, name });
  worker.postMessage(start);
  return worker;
}
