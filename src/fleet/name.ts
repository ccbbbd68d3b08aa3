/**
 * Names in the view of many hubs: a hub and what it calls something are one word, such as
 * `north:Barn-Door`. The name of a hub has no colon, so the first one ends it.
 *
 * @module
 */

import { NAME } from "../config/replicate.ts";

/** Puts the name of a hub before what it calls something. */
export function joined(hub: string, name: string): string {
  return `${hub}:${name}`;
}

/** The parts of such a name; undefined if it is none. */
export function split(name: string): { readonly hub: string; readonly name: string } | undefined {
  const at = name.indexOf(":");
  const hub = name.slice(0, Math.max(0, at));
  return isHubName(hub) ? { hub, name: name.slice(at + 1) } : undefined;
}

/** Whether a hub's folder in the bucket can have this name. */
export function isHubName(name: string): boolean {
  return NAME.test(name) && !name.includes("<");
}
