/**
 * Starts the thread that replicates, if there is a bucket, and replaces it if it ends.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import type { Overview } from "../http/overview.ts";
import type { Log } from "../log/log.ts";
import { Reminder } from "../log/reminder.ts";
import type { ReplicationState } from "../shared/replication-state.ts";
import { Integer, type Shared } from "../shared/memory.ts";
import type { ReplicatorMessage, ToReplicator } from "../shared/messages.ts";

/** How long to wait before the thread is replaced, in milliseconds. */
const REPLACE_AFTER_MS = 1000;

/** What the replicator needs. */
export interface ReplicatorThreadParts {
  readonly settings: Settings;
  readonly shared: Shared;
  readonly overview: Pick<Overview, "replication">;
  readonly log: Log;
  readonly entries: { readonly replicator: URL };
  /** The event that wakes the receiver, as a file descriptor. */
  readonly receiverWakeFd: number;
  /** With `ack: replicated`: gives the receiver its end of a port to a replicator. */
  readonly connect: (port: MessagePort) => void;
}

/** The replicator of one hub, seen from the main thread. */
export class ReplicatorThread {
  private worker: Worker | undefined;
  /** Of the thread that runs. */
  private finished = Promise.withResolvers<void>();

  /** A store may be away for days, and now and then. */
  private readonly reminder: Reminder;
  /** Whether the log says that something is wrong, or nothing yet. */
  private hasWarned = true;

  constructor(private readonly parts: ReplicatorThreadParts) {
    this.reminder = new Reminder(parts.log);
  }

  /** Begins to replicate, if there is a bucket. */
  begin(): void {
    const { settings, shared, log, entries, receiverWakeFd, connect } = this.parts;
    if (settings.replicate.endpoint === "") return;
    const finished = Promise.withResolvers<void>();
    this.finished = finished;
    const worker = new Worker(entries.replicator, { smol: true, name: "replicator" });
    worker.onmessage = ({ data: message }: MessageEvent<ReplicatorMessage>) => {
      if (message.type === "state") this.is(message.state);
      else if (message.type === "stopped") finished.resolve();
      else if (message.level === "warn") this.warn(message.message);
      else log[message.level](message.message, message.fields);
    };
    worker.onerror = ({ message }) => log.error(`The replicator has failed: ${message.trim()}`);
    worker.addEventListener("close", () => {
      this.worker = undefined;
      finished.resolve();
      if (this.isStopping) return;
      log.error("The replicator has ended and is replaced");
      setTimeout(() => {
        if (!this.isStopping) this.begin();
      }, REPLACE_AFTER_MS);
    });
    this.worker = worker;
    if (settings.ack !== "replicated")
      return this.tell({ type: "start", settings, shared, receiver: undefined });
    const { port1: port, port2 } = new MessageChannel();
    const receiver = { port, wakeFd: receiverWakeFd };
    this.tell({ type: "start", settings, shared, receiver }, [port]);
    connect(port2);
  }

  /** What is on its way has a moment. @returns when that is over, or the time is */
  async finish(withinMs: number): Promise<void> {
    if (this.worker === undefined) return;
    this.tell({ type: "stop" });
    await Promise.race([this.finished.promise, Bun.sleep(withinMs)]);
  }

  private warn(message: string): void {
    if (this.reminder.warn(message)) this.hasWarned = true;
  }

  private is(state: ReplicationState): void {
    this.parts.overview.replication.state = state;
    if (state.connected_since === null || !this.hasWarned) return;
    this.hasWarned = false;
    this.parts.log.info(`replicate: ${state.target} takes what is sent`);
  }

  private tell(message: ToReplicator, moved: MessagePort[] = []): void {
    this.worker?.postMessage(message, moved);
  }

  private get isStopping(): boolean {
    return Atomics.load(this.parts.shared.integers, Integer.stopping) !== 0;
  }
}
