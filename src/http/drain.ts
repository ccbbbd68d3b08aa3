/**
 * The answer of `/api/v1/drain`: the hub lets its cameras go to other hubs, or is in service again.
 *
 * @module
 */

import { type Answer, type HttpRequest, json, plain } from "./answer.ts";

/** Its address. */
export const DRAIN_PATH = "/api/v1/drain";

/**
 * How long only `/healthz` says that the hub drains, before cameras are let go, in milliseconds. A
 * load balancer that asks every second or two has seen it by then, and sends them elsewhere.
 */
export const DRAIN_NOTICE_MS = 5000;

/**
 * Has the hub drain, or no longer do so, as the request says.
 *
 * @param setDraining does it
 */
export function drain(
  { method, body }: HttpRequest,
  setDraining: (isWanted: boolean) => void,
): Answer {
  if (method !== "POST") return plain(405, "This address takes POST only", { Allow: "POST" });
  const draining = wantedIn(body);
  if (draining === undefined) return plain(400, 'The body must be JSON such as {"draining": true}');
  setDraining(draining);
  return json({ draining });
}

function wantedIn(body: Uint8Array): boolean | undefined {
  try {
    const { draining } = JSON.parse(Buffer.from(body).toString()) as { draining?: unknown };
    return typeof draining === "boolean" ? draining : undefined;
  } catch {
    return undefined;
  }
}
