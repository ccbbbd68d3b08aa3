/**
 * The metrics of the view of many hubs, in Prometheus' text format.
 *
 * @module
 */

import { Counter, Gauge, Registry } from "prom-client";
import type { Answer } from "../http/answer.ts";
import type { Fleet } from "./fleet.ts";

/** All metrics. */
export async function metricsOf({ store, states }: Fleet): Promise<Answer> {
  const registry = new Registry();
  const registers = [registry];
  const calls = new Counter({
    name: "imagehub_view_store_calls_total",
    help: "Calls to the store of the bucket.",
    labelNames: ["kind"],
    registers,
  });
  for (const [kind, count] of Object.entries(store.calls)) calls.inc({ kind }, count);
  new Counter({
    name: "imagehub_view_store_bytes_total",
    help: "Bytes of objects that came from the store.",
    registers,
  }).inc(store.bytes);
  new Gauge({
    name: "imagehub_view_store_up",
    help: "Whether the last call to the store has succeeded.",
    registers,
  }).set(store.problem === undefined ? 1 : 0);
  const live = new Gauge({
    name: "imagehub_view_hub_live",
    help: "Whether a hub whose address is set tells what it stores.",
    labelNames: ["hub"],
    registers,
  });
  for (const hub of states) if (hub.live !== null) live.set({ hub: hub.name }, hub.live ? 1 : 0);
  return { status: 200, type: registry.contentType, body: Buffer.from(await registry.metrics()) };
}
