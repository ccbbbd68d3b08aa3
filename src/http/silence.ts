/**
 * The state of each node, from the rows of the status.
 *
 * @module
 */

import type { NodeState } from "../shared/messages.ts";
import type { Status } from "./status.ts";

/** Each node once. The receiver decides which of them are silent. */
export function statesOf(nodes: Status["nodes"]): NodeState[] {
  const states = new Map<string, NodeState>();
  for (const { node, silent, last_seen, silent_after, silent_since, images_today } of nodes) {
    const others = states.get(node);
    const seen = others?.last_seen ?? "";
    states.set(node, {
      node,
      silent,
      last_seen: last_seen > seen ? last_seen : seen,
      silent_after,
      silent_since,
      images_today: (others?.images_today ?? 0) + images_today,
    });
  }
  return [...states.values()];
}
