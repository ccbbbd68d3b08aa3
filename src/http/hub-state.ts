/**
 * The state of the hub, for those who are told by it.
 *
 * @module
 */

import type { HubState, NodeRow, ToldNode } from "../shared/messages.ts";
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
    nodes: toldNodesOf(nodes, today.day),
    imagesToday,
    freeBytes: disk.freeBytes,
    sizeBytes: disk.sizeBytes,
    outlook: kept.latest?.outlook ?? "unknown",
    fullInDays: kept.latest?.fullInDays,
    diskWarning: kept.fullWithin(URGENT_DAYS),
  };
}

/** @param today the local date as YYYYMMDD */
export function toldNodesOf(rows: readonly NodeRow[], today: number): ToldNode[] {
  // A node has a row of its own name, and its views have the same.
  const byName = new Map(rows.map((row) => [row.name, row]));
  return Array.from(statesOf(nodesOf(rows, today)), (state) => ({
    ...state,
    awayMs: byName.get(state.node)?.awayMs ?? 0,
  }));
}
