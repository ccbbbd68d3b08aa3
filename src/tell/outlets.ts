/**
 * Which outlets there are. What one needs is loaded only if it is set.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { OFF } from "../net/listen-address.ts";
import type { Outlet } from "./outlet.ts";

/** What an outlet is made of. */
export interface OutletParts {
  readonly settings: Settings;
  /** Logs a warning. */
  readonly warn: (message: string, fields?: Record<string, unknown>) => void;
}

/** Whether anybody is told anything. */
export function hasOutlets({ mqtt, publish, publish_topics, webhooks }: Settings): boolean {
  return mqtt.url !== "" || publish !== OFF || publish_topics !== OFF || webhooks.length > 0;
}

/** Makes all that are set. Never rejects. */
export async function makeOutlets(parts: OutletParts): Promise<Outlet[]> {
  const { settings, warn } = parts;
  const outlets: Outlet[] = [];
  // One that cannot be made does not keep the others from it.
  const add = async (name: string, make: () => Promise<Outlet>): Promise<void> => {
    try {
      outlets.push(await make());
    } catch (error) {
      warn(`${name}: ${messageOf(error)}`);
    }
  };
  for (const name of ["publish", "publish_topics"] as const)
    if (settings[name] !== OFF)
      await add(name, async () => new (await import("./publisher.ts")).Publisher(name, parts));
  if (settings.mqtt.url !== "")
    await add("mqtt", async () => new (await import("./mqtt.ts")).Mqtt(parts));
  for (const [at, webhook] of settings.webhooks.entries())
    await add(
      `webhook ${at + 1}`,
      async () => new (await import("./webhook.ts")).Webhook(at + 1, webhook, parts),
    );
  return outlets;
}
