/**
 * What an outlet can tell.
 *
 * @module
 */

import type { HubState, NodeState } from "../shared/messages.ts";
import type { Stored } from "./messages.ts";

/** Something that has happened. */
export type News =
  | Stored
  /** The hub has started. */
  | { readonly type: "start"; readonly version: string }
  /** A node has fallen silent, or is back. */
  | ({ readonly type: "silent" } & NodeState)
  /** The disk will soon be full, or will not be any more: then there is no message. */
  | {
      readonly type: "disk";
      readonly message: string | undefined;
      readonly freeBytes: number;
      readonly fullInDays: number | undefined;
    }
  /** The hub cannot store any more, or can again: then there are no reasons. */
  | { readonly type: "health"; readonly healthy: boolean; readonly reasons: readonly string[] };

/**
 * What has happened between two states of the hub.
 *
 * @param before undefined at the start: then what is wrong is news, and what is well is none
 */
export function newsBetween(before: HubState | undefined, now: HubState): News[] {
  const news: News[] = [];
  const { healthy, reasons } = now.health;
  if (healthy !== (before?.health.healthy ?? true)) news.push({ type: "health", healthy, reasons });
  if ((now.diskWarning === undefined) !== (before?.diskWarning === undefined)) {
    const { diskWarning: message, freeBytes, fullInDays } = now;
    news.push({ type: "disk", message, freeBytes, fullInDays });
  }
  const wereSilent = new Set(before?.nodes.filter(({ silent }) => silent).map(({ node }) => node));
  const known = new Set(before?.nodes.map(({ node }) => node));
  for (const node of now.nodes) {
    // A node whose silence was told by an earlier run of the hub is not news.
    if (before !== undefined && node.silent !== wereSilent.has(node.node) && known.has(node.node))
      news.push({ type: "silent", ...node });
  }
  return news;
}
