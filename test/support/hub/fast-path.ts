/**
 * Waits until the fast path of a hub serves, as its metrics show it.
 *
 * @module
 */

import type { Hub } from "./hub.ts";
import { answered, get, httpOf } from "./http.ts";

/** How long it takes at most until the receiver has counted what was answered, in milliseconds. */
const COUNTED_MS = 200;

/** How many requests the fast path has answered. */
export async function fastCount(hub: Pick<Hub, "output">): Promise<number> {
  const [, text] = await get(`${httpOf(hub)}/metrics`);
  return Number(/^imagehub_fast_path_requests_total (\d+)/m.exec(text)?.[1]);
}

/**
 * Sends until the fast path answers.
 *
 * @param send sends a request that is for the fast path, and waits for its answer
 * @returns how often that was
 */
export async function untilFast(hub: Pick<Hub, "output">, send: () => void): Promise<number> {
  // What it had answered before is counted by then.
  await Bun.sleep(COUNTED_MS);
  const before = await fastCount(hub);
  let sent = 0;
  await answered(
    () => {
      send();
      sent++;
      return fastCount(hub);
    },
    (count) => count > before,
  );
  return sent;
}
