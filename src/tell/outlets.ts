/**
 * Which outlets there are. What one needs is loaded only if it is set.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { OFF } from "../net/listen-address.ts";
import type { Outlet } from "./outlet.ts";

/** What an outlet is made of. */
export interface OutletParts {
  readonly settings: Settings;
  /** Logs a warning. */
  readonly warn: (message: string) => void;
}

/** Whether anybody is told anything. */
export function hasOutlets({ mqtt, publish, publish_topics, webhooks }: Settings): boolean {
  return mqtt.url !== "" || publish !== OFF || publish_topics !== OFF || webhooks.length > 0;
}

/** Makes all that are set. Never rejects. */
export async function makeOutlets(parts: OutletParts): Promise<Outlet[]> {
  const { settings } = parts;
  const outlets: Outlet[] = [];
  if (settings.publish !== OFF || settings.publish_topics !== OFF) {
    const { Publisher } = await import("./publisher.ts");
    if (settings.publish !== OFF) outlets.push(new Publisher("publish", parts));
    if (settings.publish_topics !== OFF) outlets.push(new Publisher("publish_topics", parts));
  }
  if (settings.mqtt.url !== "") {
    const { Mqtt } = await import("./mqtt.ts");
    outlets.push(new Mqtt(parts));
  }
  if (settings.webhooks.length > 0) {
    const { Webhook } = await import("./webhook.ts");
    for (const [at, webhook] of settings.webhooks.entries())
      outlets.push(new Webhook(at + 1, webhook, parts));
  }
  return outlets;
}
