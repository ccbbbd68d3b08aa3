/**
 * The state of the hub, for those who are told by it.
 *
 * @module
 */

import type { HubState } from "../shared/messages.ts";
import { reasonsAgainst } from "./health.ts";
import { URGENT_DAYS } from "./kept.ts";
import type { Overview } from "./overview.ts";
import { statesOf } from "./silence.ts";
import { nodesOf } from "./status.ts";

/** The current state. */
export async function hubStateOf(overview: Overview): Promise<HubState> {
  const [reasons, disk, imagesToday] = await Promise.all([
    reasonsAgainst(overview),
    overview.disk.look(),
    overview.imagesToday(),
  ]);
  const { notices, nodes, today, kept } = overview;
  return {
    health: { healthy: reasons.length === 0, reasons, notices },
    nodes: statesOf(nodesOf(nodes, today.day)),
    imagesToday,
    freeBytes: disk.freeBytes,
    sizeBytes: disk.sizeBytes,
    outlook: kept.latest?.outlook ?? "unknown",
    fullInDays: kept.latest?.fullInDays,
    diskWarning: kept.fullWithin(URGENT_DAYS),
  };
}
