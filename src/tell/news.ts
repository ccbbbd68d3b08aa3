/**
 * What an outlet can tell.
 *
 * @module
 */

import type { HubState, ToldNode } from "../shared/messages.ts";
import type { Stored } from "./messages.ts";

/** Something that has happened. */
export type News =
  | Stored
  /** The hub has started. */
  | { readonly type: "start"; readonly version: string }
  /** A node has fallen silent, or is back. */
  | {
      readonly type: "silent";
      readonly node: string;
      readonly silent: boolean;
      /** When its last message came, such as `2026-11-22T15:04:05.123Z`. */
      readonly last_seen: string;
      /** How long it has sent nothing, in milliseconds. */
      readonly awayMs: number;
    }
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
  const known = new Map(before?.nodes.map((node) => [node.node, node]));
  for (const node of now.nodes) {
    const was = known.get(node.node);
    // Of others, the page shows that they are silent. It is no news.
    const isWatched = (node.silent_after ?? was?.silent_after ?? null) !== null;
    if (was !== undefined && node.silent !== was.silent && isWatched) news.push(silenceOf(node));
  }
  return news;
}

function silenceOf({ node, silent, last_seen, awayMs }: ToldNode): News {
  return { type: "silent", node, silent, last_seen, awayMs };
}
