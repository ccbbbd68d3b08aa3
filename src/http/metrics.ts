/**
 * The hub's metrics, in Prometheus' text format. They are collected on request. Only the histograms
 * of `shared/histogram.ts` are kept for them.
 *
 * @see https://prometheus.io/docs/practices/naming/
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { Counter as PromCounter, Gauge, type Metric, Registry } from "prom-client";
import { BOUNDS_S, type Observed, readHistograms } from "../shared/histogram.ts";
import { Counter, histogramAt, slotsFor } from "../shared/memory.ts";
import { descriptorsMax } from "../os/open-files.ts";
import { COMMIT, VERSION } from "../version.ts";
import type { KeepReport } from "../shared/messages.ts";
import type { OutletState } from "../shared/outlet-state.ts";
import type { ReplicationState } from "../shared/replication-state.ts";
import { reasonsAgainst } from "./health.ts";
import type { PrunedTotal } from "./kept.ts";
import type { Overview } from "./overview.ts";
import { statesOf } from "./silence.ts";
import { nodesOf } from "./status.ts";

/** Values of one metric, with their labels. */
type Values = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

/** The metrics of one hub. */
export class Metrics {
  private readonly registry = new Registry();
  /**
   * Images that could not be stored: all failures minus those of events. It never decreases, though
   * the two counters are read one after the other.
   */
  private imagesFailed = 0;

  constructor(private readonly overview: Overview) {
    this.addMessages();
    this.addQueue();
    this.addStorage();
    this.addKept();
    this.addNodes();
    this.addOutlets();
    this.addReplication();
    this.addProcess();
  }

  /** The value of the header Content-Type. */
  get type(): string {
    return this.registry.contentType;
  }

  /** All metrics, as text. */
  async text(): Promise<string> {
    return await this.registry.metrics();
  }

  private addMessages(): void {
    const { counters } = this.overview.shared;
    const count = (index: number): number => counters[index]!;
    this.counter(
      "imagehub_messages_total",
      "Messages by what they were and what became of them",
      () => {
        this.imagesFailed = Math.max(
          this.imagesFailed,
          count(Counter.failed) - count(Counter.eventsFailed),
        );
        return [
          [{ kind: "image", outcome: "stored" }, count(Counter.images)],
          [{ kind: "image", outcome: "over_cap" }, count(Counter.imagesOverCap)],
          [{ kind: "image", outcome: "failed" }, this.imagesFailed],
          [{ kind: "event", outcome: "stored" }, count(Counter.events)],
          [{ kind: "event", outcome: "failed" }, count(Counter.eventsFailed)],
          [{ kind: "heartbeat", outcome: "answered" }, count(Counter.heartbeats)],
          [{ kind: "test", outcome: "answered" }, count(Counter.tests)],
          [{ kind: "unlabelled", outcome: "answered" }, count(Counter.unlabelled)],
          [{ kind: "invalid", outcome: "refused" }, count(Counter.refused)],
        ];
      },
      ["kind", "outcome"],
    );
    this.counter("imagehub_image_bytes_total", "Bytes of stored images, as sent", () =>
      one(count(Counter.imageBytes)),
    );
    this.counter(
      "imagehub_fast_path_requests_total",
      "Images and events that one thread received, stored and answered (the fast path)",
      () => one(count(Counter.fastPath)),
    );
    this.counter(
      "imagehub_published_messages_dropped_total",
      "Messages of publishers (setting subscribe) that were dropped for lack of room",
      () => one(count(Counter.dropped)),
    );
    this.gauge("imagehub_publishers", "Publishers in the setting subscribe", () =>
      one(this.overview.settings.subscribe.length),
    );
    this.gauge("imagehub_publishers_connected", "Publishers that are connected", () =>
      one(count(Counter.publishersConnected)),
    );
    this.gauge("imagehub_connections", "Open connections", () => one(count(Counter.connections)));
    this.counter(
      "imagehub_connections_denied_total",
      "Connections refused or closed by the hub",
      () => one(count(Counter.denied)),
    );
  }

  private addQueue(): void {
    const { shared, settings, storing } = this.overview;
    this.gauge("imagehub_queue_requests", "Requests received and not yet stored", () =>
      one(shared.counters[Counter.queued]!),
    );
    this.gauge(
      "imagehub_queue_capacity_requests",
      "Maximum requests in the queue: queuemax plus max_connections",
      () => one(slotsFor(settings)),
    );
    this.histogram(
      "imagehub_answer_duration_seconds",
      "Time from receiving an image or event to answering it, for requests answered after they are stored",
      () => readHistograms([histogramAt(shared)]),
    );
    this.histogram("imagehub_write_duration_seconds", "Time to store an image or event", () =>
      readHistograms(storing.all.map(({ durations }) => durations)),
    );
  }

  private addStorage(): void {
    const { overview } = this;
    this.gauge(
      "imagehub_healthy",
      "1 if the hub can store images, else 0; same as /healthz, unless it drains",
      async () => one((await reasonsAgainst(overview)).length === 0 ? 1 : 0),
    );
    this.gauge("imagehub_draining", "1 while the hub drains (imagehub drain), else 0", () =>
      one(overview.drainingSinceMs === undefined ? 0 : 1),
    );
    this.gauge("imagehub_images_today", "Images in today's folder", async () =>
      one(await overview.imagesToday()),
    );
    this.gauge("imagehub_images_today_limit", "The setting max_images_write", () =>
      one(overview.settings.max_images_write),
    );
    this.gauge(
      "imagehub_filesystem_free_bytes",
      "Space available to the user of the hub",
      async () => one((await overview.disk.look()).freeBytes),
    );
    this.gauge(
      "imagehub_filesystem_size_bytes",
      "Size of the file system of the images",
      async () => one((await overview.disk.look()).sizeBytes),
    );
  }

  private addKept(): void {
    const { kept, archive, settings } = this.overview;
    const byCamera = (of: (camera: KeepReport["cameras"][number]) => number) => (): Values =>
      (kept.latest?.cameras ?? []).map((camera) => [{ camera: camera.name }, of(camera)]);
    this.gauge(
      "imagehub_stored_images",
      "Images on the disk, by camera",
      byCamera(({ images }) => images),
      ["camera"],
    );
    this.gauge(
      "imagehub_stored_bytes",
      "Size of the images on the disk, by camera",
      byCamera(({ bytes }) => bytes),
      ["camera"],
    );
    const ofLatest = (of: (report: KeepReport) => number) => (): Values =>
      kept.latest === undefined ? [] : one(of(kept.latest));
    this.gauge(
      "imagehub_days",
      "Days with images",
      ofLatest(({ days }) => days),
    );
    this.gauge("imagehub_days_limit", "The setting keep.days; 0: no limit", () =>
      one(settings.keep.days),
    );
    this.gauge(
      "imagehub_protected_images",
      "Images that no rule deletes",
      ofLatest(({ protectedImages }) => protectedImages),
    );
    this.gauge(
      "imagehub_filesystem_full_seconds",
      "Time until the disk is full at this week's rate; infinite if it will not be; none if unknown",
      () => {
        const { outlook = "unknown", fullInDays = Number.POSITIVE_INFINITY } = kept.latest ?? {};
        return outlook === "unknown" ? [] : one(fullInDays * 86_400);
      },
    );
    this.gauge(
      "imagehub_keep_problems",
      "Rules of keep that are off or cannot be kept",
      ofLatest(({ problems }) => problems.length),
    );
    this.gauge(
      "imagehub_archive_healthy",
      "1 if all days that are due are archived, else 0; always 1 without an archive",
      () => one(archive.problem === undefined ? 1 : 0),
    );
    this.gauge(
      "imagehub_archive_last_success_timestamp_seconds",
      "When all days that were due were last archived; none before, and without an archive",
      () => (archive.lastGoodMs === undefined ? [] : one(archive.lastGoodMs / 1000)),
    );
    for (const [unit, of] of [
      ["files", ({ count }: PrunedTotal) => count],
      ["bytes", ({ bytes }: PrunedTotal) => bytes],
    ] as const) {
      this.counter(
        `imagehub_pruned_${unit}_total`,
        `${unit === "files" ? "Images and event logs" : "Bytes"} that the hub deleted, by the setting that asked for it`,
        () => Array.from(kept.pruned, ([reason, total]) => [{ reason }, of(total)]),
        ["reason"],
      );
    }
  }

  private addNodes(): void {
    const { nodes } = this.overview;
    const of = (timeMs: (node: (typeof nodes)[number]) => number) => (): Values =>
      nodes
        .filter((node) => timeMs(node) > 0)
        .map((node) => [{ node: node.name }, timeMs(node) / 1000]);
    this.gauge(
      "imagehub_node_last_message_timestamp_seconds",
      "Time of the last message of a node and view",
      of(({ lastSeenMs }) => lastSeenMs),
      ["node"],
    );
    this.gauge(
      "imagehub_node_silent",
      "1 if a node with all its views has sent nothing for too long, else 0",
      () =>
        statesOf(nodesOf(nodes, 0)).map(({ node, silent }) => [{ node }, silent ? 1 : 0] as const),
      ["node"],
    );
    this.gauge(
      "imagehub_node_last_heartbeat_timestamp_seconds",
      "Time of the last heartbeat of a node",
      of(({ lastHeartbeatMs }) => lastHeartbeatMs),
      ["node"],
    );
  }

  private addOutlets(): void {
    const { overview } = this;
    const of = (value: (outlet: OutletState) => number) => (): Values =>
      overview.outlets.map((outlet) => [{ outlet: outlet.name }, value(outlet)]);
    this.gauge(
      "imagehub_outlet_connected",
      "1 while an outlet (settings mqtt, publish, webhooks) can tell what is stored, else 0",
      of(({ connected_since: since }) => (since === null ? 0 : 1)),
      ["outlet"],
    );
    this.counter(
      "imagehub_outlet_sent_total",
      "What an outlet has told",
      of(({ sent }) => sent),
      ["outlet"],
    );
    this.counter(
      "imagehub_outlet_dropped_total",
      "What an outlet could not tell: for lack of room, or as it was refused",
      of(({ dropped }) => dropped),
      ["outlet"],
    );
    this.gauge(
      "imagehub_outlet_waiting",
      "What waits to be told by an outlet",
      of(({ waiting }) => waiting),
      ["outlet"],
    );
  }

  private addReplication(): void {
    const { replication } = this.overview;
    const of = (value: (state: ReplicationState) => number | undefined) => (): Values => {
      const now = replication.state && value(replication.state);
      return now === undefined ? [] : one(now);
    };
    this.gauge(
      "imagehub_replication_connected",
      "1 while the store (setting replicate) takes what is sent, else 0",
      of(({ connected_since: since }) => (since === null ? 0 : 1)),
    );
    this.counter(
      "imagehub_replication_images_total",
      "Images that were found to be in the bucket",
      of(({ images }) => images),
    );
    this.counter(
      "imagehub_replication_bytes_total",
      "Bytes of the images that were found to be in the bucket",
      of(({ bytes }) => bytes),
    );
    this.gauge(
      "imagehub_replication_waiting_images",
      "Images that are not in the bucket yet",
      of((state) => state.waiting_images),
    );
    this.gauge(
      "imagehub_replication_waiting_bytes",
      "Bytes of the images that are not in the bucket yet",
      of((state) => state.waiting_bytes),
    );
    this.gauge(
      "imagehub_replication_oldest_waiting_timestamp_seconds",
      "When the oldest image was stored that is not in the bucket yet; none if all are",
      of(({ oldest_waiting: oldest }) => (oldest === null ? undefined : Date.parse(oldest) / 1000)),
    );
    const count = (counter: number) => (): Values => one(this.overview.shared.counters[counter]!);
    this.gauge(
      "imagehub_replication_awaited_requests",
      "With ack: replicated, requests that are stored and whose cameras wait for the bucket",
      count(Counter.awaitingBucket),
    );
    this.counter(
      "imagehub_replication_late_requests_total",
      "With ack: replicated, requests answered ERROR because they were not in the bucket in time",
      count(Counter.unconfirmed),
    );
    this.gauge(
      "imagehub_replication_differences",
      "Files that the bucket has with another content",
      of(({ differences }) => differences),
    );
  }

  private addProcess(): void {
    this.gauge(
      "imagehub_build_info",
      "Version of the hub; always 1",
      () => [[{ version: VERSION, commit: COMMIT, bun: Bun.version }, 1]],
      ["version", "commit", "bun"],
    );
    this.counter("process_cpu_seconds_total", "Processor time of all threads", () => {
      const { user, system } = process.cpuUsage();
      return one((user + system) / 1e6);
    });
    this.gauge("process_resident_memory_bytes", "Resident memory", () =>
      one(process.memoryUsage.rss()),
    );
    this.gauge("process_start_time_seconds", "Time when the hub started", () =>
      one(this.overview.startedAtMs / 1000),
    );
    this.gauge("process_open_fds", "File descriptors in use", () =>
      one(readdirSync("/proc/self/fd").length),
    );
    this.gauge("process_max_fds", "Maximum file descriptors", () => one(descriptorsMax()));
  }

  private counter(
    name: string,
    help: string,
    read: () => Values,
    labelNames: readonly string[] = [],
  ): void {
    const metric: PromCounter = new PromCounter({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        metric.reset();
        for (const [labels, value] of read()) metric.inc({ ...labels }, value);
      },
    });
  }

  private gauge(
    name: string,
    help: string,
    read: () => Values | Promise<Values>,
    labelNames: readonly string[] = [],
  ): void {
    const metric: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      async collect() {
        const values = await read();
        metric.reset();
        // Without labels, it would be 0.
        if (values.length === 0 && labelNames.length === 0) metric.remove();
        for (const [labels, value] of values) metric.set({ ...labels }, value);
      },
    });
  }

  /**
   * The library's own histogram would have to be given each observation. These are counted
   * elsewhere.
   */
  private histogram(name: string, help: string, read: () => Observed): void {
    const get = (): Promise<unknown> => {
      const { upTo, count, sumSeconds } = read();
      const buckets = BOUNDS_S.map((bound, index) => ({
        metricName: `${name}_bucket`,
        labels: { le: bound },
        value: upTo[index],
      }));
      const values = [
        ...buckets,
        { metricName: `${name}_bucket`, labels: { le: "+Inf" }, value: count },
        { metricName: `${name}_sum`, labels: {}, value: sumSeconds },
        { metricName: `${name}_count`, labels: {}, value: count },
      ];
      return Promise.resolve({ name, help, type: "histogram", values, aggregator: "sum" });
    };
    this.registry.registerMetric({ name, get } as unknown as Metric);
  }
}

/** A value without labels. */
function one(value: number): Values {
  return [[{}, value]];
}
