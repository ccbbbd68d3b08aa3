/**
 * The state of a hub, as those are told who tell others.
 *
 * @module
 */

import type { HubState, NodeState } from "../../../src/shared/messages.ts";

/** A hub that is well. @param nodes names, or states */
export function hubState(
  nodes: readonly (string | NodeState)[] = [],
  rest: Partial<HubState> = {},
): HubState {
  return {
    health: { healthy: true, reasons: [], notices: [] },
    nodes: nodes.map((node) =>
      typeof node === "string"
        ? {
            node,
            silent: false,
            last_seen: "2026-11-29T12:00:00.000Z",
            silent_after: null,
            silent_since: null,
            images_today: 1,
            awayMs: 0,
          }
        : { awayMs: 0, ...node },
    ),
    forgotten: [],
    imagesToday: 1,
    freeBytes: 60e9,
    sizeBytes: 100e9,
    outlook: "never",
    fullInDays: undefined,
    diskWarning: undefined,
    ...rest,
  };
}
