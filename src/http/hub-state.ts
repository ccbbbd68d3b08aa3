/**
 * The state of the hub, for those who are told by it.
 *
 * @module
 */

import type { HubHealth, HubState, NodeRow, ToldNode } from "../shared/messages.ts";
import { reasonsAgainst } from "./health.ts";
import { URGENT_DAYS } from "./kept.ts";
import type { Overview } from "./overview.ts";
import { statesOf } from "./silence.ts";
import { nodesOf } from "./status.ts";

/** The current health. */
export async function hubHealthOf(overview: Overview): Promise<HubHealth> {
  const reasons = await reasonsAgainst(overview);
  return { healthy: reasons.length === 0, reasons, notices: overview.notices };
}

/** The current state. */
export async function hubStateOf(overview: Overview): Promise<HubState> {
  const [health, disk, imagesToday] = await Promise.all([
    hubHealthOf(overview),
    overview.disk.look(),
    overview.imagesToday(),
  ]);
  const { nodes, forgotten, today, kept } = overview;
  return {
    health,
    nodes: toldNodesOf(nodes, today.day),
    forgotten: forgotten.map(({ name }) => name),
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
