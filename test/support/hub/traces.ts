/**
 * What is seen in a hub of a node that may not send.
 *
 * @module
 */

import type { Hub } from "./hub.ts";
import { linesWith } from "./output.ts";

/** What a hub has taken in from a node, be it on the disk or in a line of either log. */
export function traces(hub: Hub, node: string): string[] {
  return [
    ...hub.images().map(({ name }) => name),
    ...hub.log(),
    ...linesWith(hub, "First message"),
    ...linesWith(hub, "Refused a request"),
  ].filter((text) => text.includes(node));
}
