/**
 * Starts the threads of one hub, receives their messages, and replaces those that end: the writers,
 * the fast path and the flushers. The receiver is not replaced: the hub ends with it.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import type { Overview } from "../http/overview.ts";
import type { Log } from "../log/log.ts";
import { EventQueue } from "../shared/event-queue.ts";
import { Flushers } from "../shared/flushers.ts";
import { Archiver } from "./archiver.ts";
import { Keeper } from "./keeper.ts";
import { ReceiverOrders } from "./receiver-orders.ts";
import type { Loan } from "../shared/loan.ts";
import type { Shared } from "../shared/memory.ts";
import type {
  FastPathStart,
  FlusherMessage,
  FlusherStart,
  FlushTask,
  LendableSocket,
  ReceiverMessage,
  ReceiverStart,
  RememberedNode,
  ThreadStart,
  WriterStart,
} from "../shared/messages.ts";
import type { RequestQueue } from "../shared/queue.ts";
import { Outcome, RequestSlots } from "../shared/request-slot.ts";
import { type StoringThread, StoringThreads } from "../shared/storing-threads.ts";

/**
 * How long to wait before a thread is replaced, in milliseconds. It prevents a storm if something
 * ends every thread.
 */
const REPLACE_AFTER_MS = 1000;

/** What the supervisor needs. */
export interface SupervisorParts {
  readonly settings: Settings;
  readonly shared: Shared;
  readonly queue: RequestQueue;
  readonly loan: Loan;
  /** The events that wake the receiver and the fast path, as file descriptors. */
  readonly receiverWakeFd: number;
  readonly fastPathWakeFd: number;
  /** Notes which threads are down, and what could not be flushed. */
  readonly overview: Pick<Overview, "archive" | "down" | "guard" | "kept" | "note" | "today">;
  readonly log: Log;
  /** The entry file of each kind of thread. */
  readonly entries: Readonly<
    Record<"writer" | "receiver" | "flusher" | "fastPath" | "keeper" | "archiver", URL>
  >;
}

/** A thread that stores: how to start and name it. */
interface Role {
  readonly thread: StoringThread;
  readonly entry: URL;
  /** The name in `top -H`. */
  readonly name: string;
  readonly start: WriterStart | FastPathStart;
  /** The name in the log, with `fields`. */
  readonly title: string;
  readonly fields: Readonly<Record<string, unknown>>;
  /** The name in /healthz. */
  readonly part: string;
  /** Frees what others wait for, after the thread has ended. */
  readonly release: () => void;
}

/** The supervisor of one hub. It lives in the main thread. */
export class Supervisor {
  private readonly keeper: Keeper;
  private readonly archiver: Archiver;
  private readonly storing: StoringThreads;
  private readonly flushers: Flushers;
  private readonly orders: ReceiverOrders;
  /** For each flusher: resolves when it has flushed for the last time. */
  private readonly flushed: Promise<void>[] = [];

  constructor(private readonly parts: SupervisorParts) {
    const { settings, shared } = parts;
    this.storing = new StoringThreads(shared, settings.writers);
    this.flushers = new Flushers(shared);
    this.orders = new ReceiverOrders(parts.queue);
    this.keeper = new Keeper(parts);
    this.archiver = new Archiver(parts, () => this.keeper.start());
  }

  /** Starts the writers. @returns when all of them wait for work */
  async startWriters(): Promise<void> {
    const { settings, shared, receiverWakeFd, entries } = this.parts;
    const roles = this.storing.writers.map((thread): Role => {
      const { number } = thread;
      return {
        thread,
        entry: entries.writer,
        name: `writer ${number}`,
        start: { settings, shared, receiverWakeFd, number },
        title: "A writer",
        fields: { writer: number },
        part: `Writer ${number}`,
        release: () => new EventQueue(shared, number).release(),
      };
    });
    await Promise.all(roles.map((role) => this.startStoring(role)));
  }

  /** Starts the fast path. When it is ready, the receiver lends it the socket. */
  startFastPath(socket: LendableSocket): void {
    const { settings, shared, receiverWakeFd, fastPathWakeFd, loan, entries } = this.parts;
    const title = "The fast path";
    void this.startStoring({
      thread: this.storing.fastPath,
      entry: entries.fastPath,
      name: "fast path",
      start: { settings, shared, receiverWakeFd, fastPathWakeFd, socket },
      title,
      fields: {},
      part: title,
      release: () => {
        loan.isReady = false;
        loan.reclaim();
      },
    });
  }

  /** @param ready of the thread that it replaces, whose start may still be awaited */
  private startStoring(role: Role, ready = Promise.withResolvers<void>()): Promise<void> {
    const { overview, log } = this.parts;
    const worker = startThread(role.entry, role.name, role.start);
    // Its only message is that it waits for work.
    worker.onmessage = () => {
      overview.down.delete(role.part);
      ready.resolve();
    };
    worker.onerror = ({ message }) => log.error(`${role.title} has failed: ${message.trim()}`);
    worker.addEventListener("close", () => this.replaceStoring(role, ready));
    return ready.promise;
  }

  /**
   * A thread that stores has ended, with or without an error. Its slot in hand is answered as an
   * error, and another thread takes over.
   */
  private replaceStoring(role: Role, ready: PromiseWithResolvers<void>): void {
    const { shared, queue, overview, log } = this.parts;
    role.release();
    const index = role.thread.endInHand();
    const hadInHand = index >= 0;
    // During a stop, all of them end. One with a slot in hand did not end normally, and others may
    // still wait for it.
    if (queue.stopping && !hadInHand) return;
    if (hadInHand) {
      const slot = new RequestSlots(shared.slots).at(index);
      slot.failure = "the writer that had it ended";
      slot.outcome = Outcome.failed;
      queue.giveBack(index);
    }
    queue.callReceiver();
    overview.down.add(role.part);
    log.error(`${role.title} has ended and is replaced`, { ...role.fields, hadInHand });
    setTimeout(() => void this.startStoring(role, ready), REPLACE_AFTER_MS);
  }

  /**
   * Starts a flusher for each task. The first one also watches the data directory and the clock.
   *
   * @param lockText content of the data directory's lock file
   */
  startFlushers(tasks: readonly FlushTask[], lockText: string): void {
    const { settings, shared } = this.parts;
    for (const [number, task] of tasks.entries())
      this.startFlusher({
        settings,
        shared,
        number,
        task,
        lockText: number === 0 ? lockText : undefined,
      });
  }

  /** Begins to keep order in the data directory, and to archive. */
  startKeeping(): void {
    this.keeper.begin();
    this.archiver.begin();
  }

  /** Begins no more of it. What is under way ends by itself, or with the process. */
  endKeeping(): void {
    this.keeper.close();
    this.archiver.close();
  }

  /** Ends the flushers. @returns when each has flushed for the last time */
  async endFlushers(): Promise<void> {
    this.flushers.end();
    await Promise.all(this.flushed);
  }

  private startFlusher(start: FlusherStart): void {
    const { queue, log, entries } = this.parts;
    const { number } = start;
    const flushed = Promise.withResolvers<void>();
    this.flushed[number] = flushed.promise;
    const name = number === 0 ? "flusher" : `flusher ${number}`;
    const worker = startThread(entries.flusher, name, start);
    worker.onmessage = ({ data: message }: MessageEvent<FlusherMessage>) => {
      if (message.type === "ended") flushed.resolve();
      else this.hearFlusher(number, message);
    };
    worker.onerror = ({ message }) => log.error(`The flusher has failed: ${message.trim()}`);
    worker.addEventListener("close", () => {
      flushed.resolve();
      if (queue.stopping) return;
      log.error("The flusher has ended and is replaced");
      setTimeout(() => this.startFlusher(start), REPLACE_AFTER_MS);
    });
  }

  private hearFlusher(
    number: number,
    message: Exclude<FlusherMessage, { readonly type: "ended" }>,
  ): void {
    const { overview, log } = this.parts;
    if (message.type === "log") return log[message.level](message.message, message.fields);
    const failure =
      message.type === "flushed" ? null : `Could not flush to disk: ${message.reason}`;
    overview.note(`flush ${number}`, failure);
    if (failure !== null) log.error(failure);
  }

  /**
   * Starts the receiver.
   *
   * @param remembered the nodes of an earlier run
   * @param hear called with each of its messages, but for those about orders
   * @param failed called with the reason if it ends before it reports that it has stopped
   */
  startReceiver(
    remembered: readonly RememberedNode[],
    hear: (message: Exclude<ReceiverMessage, { type: "forgotten" }>) => void,
    failed: (reason: string) => void,
  ): void {
    const { settings, shared, receiverWakeFd, fastPathWakeFd, entries } = this.parts;
    const orders = this.orders.port;
    const start = { settings, shared, receiverWakeFd, fastPathWakeFd, remembered, orders };
    const worker = startThread(entries.receiver, "receiver", start satisfies ReceiverStart, [
      orders,
    ]);
    let hasStopped = false;
    worker.onmessage = ({ data: message }: MessageEvent<ReceiverMessage>) => {
      hasStopped ||= message.type === "stopped";
      if (message.type === "forgotten") this.orders.heard(message);
      else hear(message);
    };
    worker.onerror = ({ message }) => failed(`The receiver has failed: ${message.trim()}`);
    worker.addEventListener("close", () => {
      if (!hasStopped) failed("The receiver has ended by itself");
    });
  }

  /** Has the receiver forget a node with its views. @returns how many rows it had */
  async forget(node: string): Promise<number> {
    return await this.orders.forget(node);
  }

  /** Connects the receiver with a replicator that has begun. @param port moves to its thread */
  connectBucket(port: MessagePort): void {
    this.orders.connectBucket(port);
  }

  /** Has the receiver end each camera's connection with its next reply, or no longer do so. */
  letGo(isWanted: boolean): void {
    this.orders.letGo(isWanted);
  }
}

/** @param name the one in `top -H`. @param moved what moves to the thread */
function startThread(
  entry: URL,
  name: string,
  start: ThreadStart,
  moved: readonly MessagePort[] = [],
): Worker {
  const worker = new Worker(entry, { smol: true, name });
  worker.postMessage(start, [...moved]);
  return worker;
}
