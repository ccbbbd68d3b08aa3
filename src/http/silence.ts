/**
 * Which nodes are silent.
 *
 * @module
 */

import type { NodeState } from "../shared/messages.ts";
import type { Status } from "./status.ts";

/**
 * Each node once. A node is silent if it and its views have sent nothing for `patience` minutes.
 *
 * @param nowMs the hub's own clock, in milliseconds since 1970
 */
export function statesOf(nodes: Status["nodes"], nowMs: number, patience: number): NodeState[] {
  const heard = new Map<string, string>();
  const images = new Map<string, number>();
  for (const { node, last_seen: seen, images_today: count } of nodes) {
    if (seen > (heard.get(node) ?? "")) heard.set(node, seen);
    images.set(node, (images.get(node) ?? 0) + count);
  }
  return Array.from(heard, ([node, seen]) => ({
    node,
    silent: nowMs - Date.parse(seen) > patience * 60_000,
    last_seen: seen,
    images_today: images.get(node) ?? 0,
  }));
}
