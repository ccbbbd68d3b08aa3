/**
 * The answer of `/api/status`: the hub and its nodes, as JSON.
 *
 * @module
 */

import * as z from "zod";
import { withoutSecrets } from "../config/secrets.ts";
import { instantOf } from "../protocol/calendar.ts";
import { nodeIn } from "../protocol/nodes.ts";
import type { NodeRow } from "../shared/messages.ts";
import { slotsFor } from "../shared/memory.ts";
import { outletStateSchema } from "../shared/outlet-state.ts";
import { replicationStateSchema } from "../shared/replication-state.ts";
import { sendCommand } from "./first-image.ts";
import { COMMIT, VERSION } from "../version.ts";
import { reasonsAgainst } from "./health.ts";
import type { Kept } from "./kept.ts";
import type { Overview } from "./overview.ts";

/** An instant in UTC, such as `2026-11-22T15:04:05.123Z`. */
const instant = z.iso.datetime();

/** A row of the table of nodes. A node and each of its views have their own. */
const nodeSchema = z.object({
  node: z.string(),
  /** Empty if the sender names none. */
  view: z.string(),
  /** Where its last message came from, without the port. */
  address: z.string(),
  last_seen: instant,
  /** Stored under today's local date, since the hub's start. */
  images_today: z.number(),
  events_today: z.number(),
  /** The last heartbeat of the node; null if there was none. */
  last_heartbeat: instant.nullable(),
  /** Whether the node, with all its views, has sent nothing for too long. */
  silent: z.boolean().default(false),
  /** How long that is, in minutes, by the setting `cameras`; null: the setting `patience`. */
  silent_after: z.number().nullable().default(null),
  /** Since when the node counts as silent; null if it does not. */
  silent_since: instant.nullable().default(null),
});

/** The whole answer. Readers of other versions ignore what they do not know. */
export const statusSchema = z.object({
  version: z.string(),
  commit: z.string(),
  healthy: z.boolean(),
  /** Why it is not healthy. */
  reasons: z.array(z.string()),
  /** Since when it drains; null while it is in service. */
  draining_since: instant.nullable().default(null),
  /** The hub's own clock. */
  time: instant,
  started: instant,
  uptime_seconds: z.number(),
  /**
   * The settings in force, by key. Secrets are in files of their own, so only their paths are here.
   * The URLs of `webhooks` are cut to their hosts.
   */
  settings: z.looseObject({ patience: z.number(), data_directory: z.string() }),
  /** Counts since the start. */
  totals: z.record(z.string(), z.number()),
  connections: z.number(),
  /** The publishers of the setting `subscribe`. */
  publishers: z
    .object({ connected: z.number(), total: z.number() })
    .default({ connected: 0, total: 0 }),
  queue: z.object({
    requests: z.number(),
    capacity: z.number(),
    /** With `ack: replicated`: requests that are stored and not yet in the bucket. */
    awaiting_bucket: z.number().default(0),
  }),
  /** Today's folder, by the local date. */
  today: z.object({ date: z.string(), images: z.number(), limit: z.number() }),
  /** Why the hub stores nothing in its data directory: it is not the one of the start. */
  data_directory_problem: z.string().nullable().default(null),
  disk: z.object({
    free_bytes: z.number(),
    size_bytes: z.number(),
    /**
     * Whether it will be full at the rate of the last week: `unknown` while no day of it is over
     * and has images, `never` if the rules prevent it, `filling` if no rule does, and `blocked` if
     * the rules would, but too much is too young, protected, not archived, or waits for a person.
     */
    outlook: z.enum(["unknown", "never", "filling", "blocked"]).default("unknown"),
    /** Days until it is full; null if it will not be, or that is unknown. */
    full_in_days: z.number().nullable().default(null),
  }),
  /** All images; null until they have been counted, some seconds after the start. */
  kept: z
    .object({
      days: z.number(),
      first_day: z.string().nullable(),
      images: z.number(),
      bytes: z.number(),
      protected_images: z.number(),
      bytes_per_day: z.number(),
      cameras: z.array(z.object({ name: z.string(), images: z.number(), bytes: z.number() })),
      /** Deleted since the start, by the name of the setting. */
      pruned: z.record(z.string(), z.object({ count: z.number(), bytes: z.number() })),
    })
    .nullable()
    .default(null),
  /** null if there is none. */
  archive: z
    .object({
      directory: z.string(),
      files: z.number(),
      bytes: z.number(),
      last_success: instant.nullable(),
      problem: z.string().nullable(),
    })
    .nullable()
    .default(null),
  /** Who is told what is stored: the settings `mqtt`, `publish` and `webhooks`. */
  outlets: z.array(outletStateSchema).default([]),
  /** The copy in a bucket, setting `replicate`; null if there is none. */
  replication: replicationStateSchema.nullable().default(null),
  /** What a person should know about the rules for what is kept, and the disk. */
  notices: z.array(z.string()).default([]),
  /** A command for the hub's machine that sends it an image; null if not everybody may send. */
  send_command: z.string().nullable().default(null),
  nodes: z.array(nodeSchema),
});

/** See {@link statusSchema}. */
export type Status = z.output<typeof statusSchema>;

/** One of {@link Status.nodes}. */
type NodeStatus = z.output<typeof nodeSchema>;

/** The current status. */
export async function statusOf(overview: Overview): Promise<Status> {
  const { settings, today } = overview;
  const [reasons, disk, images] = await Promise.all([
    reasonsAgainst(overview),
    overview.disk.look(),
    overview.imagesToday(),
  ]);
  const { connections, queued, publishersConnected, awaitingBucket, ...totals } = overview.totals;
  return {
    version: VERSION,
    commit: COMMIT,
    healthy: reasons.length === 0,
    reasons,
    draining_since: instantOf(overview.drainingSinceMs ?? 0),
    time: new Date().toISOString(),
    started: new Date(overview.startedAtMs).toISOString(),
    uptime_seconds: Math.floor((performance.now() - overview.startedMs) / 1000),
    settings: withoutSecrets(settings),
    totals: Object.fromEntries(
      Object.entries(totals).map(([name, count]) => [snakeCase(name), count]),
    ),
    connections,
    publishers: { connected: publishersConnected, total: settings.subscribe.length },
    queue: {
      requests: queued,
      capacity: slotsFor(settings),
      awaiting_bucket: awaitingBucket,
    },
    today: { date: today.date, images, limit: settings.max_images_write },
    data_directory_problem: overview.guard.problem ?? null,
    disk: {
      free_bytes: disk.freeBytes,
      size_bytes: disk.sizeBytes,
      outlook: overview.kept.latest?.outlook ?? "unknown",
      full_in_days: overview.kept.latest?.fullInDays ?? null,
    },
    kept: keptOf(overview.kept),
    archive: archiveOf(overview),
    outlets: [...overview.outlets],
    replication: overview.replication.state ?? null,
    notices: overview.notices,
    send_command: sendCommand(settings) ?? null,
    nodes: nodesOf(overview.nodes, today.day),
  };
}

function archiveOf({ archive, settings }: Overview): Status["archive"] {
  const { directory } = settings.archive;
  if (directory === "") return null;
  const { files, bytes, lastGoodMs, problem } = archive;
  return {
    directory,
    files,
    bytes,
    last_success: lastGoodMs === undefined ? null : new Date(lastGoodMs).toISOString(),
    problem: problem ?? null,
  };
}

function keptOf({ latest, pruned }: Kept): Status["kept"] {
  if (latest === undefined) return null;
  return {
    days: latest.days,
    first_day: latest.firstDay ?? null,
    images: latest.images,
    bytes: latest.bytes,
    protected_images: latest.protectedImages,
    bytes_per_day: Math.round(latest.bytesPerDay),
    cameras: [...latest.cameras],
    pruned: Object.fromEntries(pruned),
  };
}

/** The rows of the table, sorted by name. */
export function nodesOf(rows: readonly NodeRow[], today: number): NodeStatus[] {
  const byName = new Map(rows.map((row) => [row.name, row]));
  return rows
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((row) => {
      const node = nodeIn(row.name, byName);
      const since = row.silentSinceMs;
      const heartbeatMs = Math.max(row.lastHeartbeatMs, byName.get(node)?.lastHeartbeatMs ?? 0);
      const isOfToday = row.day === today;
      return {
        node,
        view: row.name.slice(node.length + 1),
        address: row.address,
        last_seen: new Date(row.lastSeenMs).toISOString(),
        images_today: isOfToday ? row.images : 0,
        events_today: isOfToday ? row.events : 0,
        last_heartbeat: instantOf(heartbeatMs),
        silent: since > 0,
        silent_after: row.silentAfter,
        silent_since: instantOf(since),
      };
    });
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
