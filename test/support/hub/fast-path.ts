/**
 * Waits until the fast path of a hub serves, as its metrics show it.
 *
 * @module
 */

import type { Hub } from "./hub.ts";
import { answered, get, httpOf } from "./http.ts";

/** How long it takes at most until the receiver has counted what was answered, in milliseconds. */
const COUNTED_MS = 200;

/** How many are sent without a pause: they take longer than the second until the socket is lent. */
const AT_ONCE = 60;

/** By when the socket is lent while nothing comes, in milliseconds. */
const LENT_MS = 1200;

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
    async () => {
      // On a busy machine some answer takes long before a second is over. Then a pause helps.
      if (sent >= AT_ONCE) await Bun.sleep(LENT_MS);
      send();
      sent++;
      return await fastCount(hub);
    },
    (count) => count > before,
  );
  return sent;
}
