/**
 * The whole hub: starts its parts in order and stops them in reverse.
 *
 * @module
 */

import { REPLICATE_MS_MAX, TELL_END_MS, TELL_MS_MAX } from "./limits.ts";
import { capReached } from "./store/cap.ts";
import type { Settings } from "./config/schema.ts";
import { EXIT, FatalError } from "./errors.ts";
import { Control } from "./http/control.ts";
import { Overview } from "./http/overview.ts";
import { EventFd } from "./os/wait.ts";
import type { Log } from "./log/log.ts";
import { checkKeys } from "./receiver/keys.ts";
import { Loan } from "./shared/loan.ts";
import { DataLock } from "./store/data-lock.ts";
import { flushTasks } from "./store/flush.ts";
import { openDataDirectory } from "./store/open.ts";
import type { ReceiverMessage } from "./shared/messages.ts";
import { Liveness } from "./shared/liveness.ts";
import { RequestQueue } from "./shared/queue.ts";
import { createShared, Integer, type Shared, slotsFor } from "./shared/memory.ts";
import { Draining } from "./threads/draining.ts";
import { ReplicatorThread } from "./threads/replicator.ts";
import { NodeMemory } from "./threads/node-memory.ts";
import { Supervisor } from "./threads/supervisor.ts";
import { Teller } from "./threads/teller.ts";
import { Viewer } from "./threads/viewer.ts";

/**
 * The entry file of each kind of thread. The paths are here because in an executable all files are
 * below that of the program.
 */
const ENTRIES = {
  writer: new URL("./threads/writer-thread.ts", import.meta.url),
  receiver: new URL("./threads/receiver-thread.ts", import.meta.url),
  flusher: new URL("./threads/flusher-thread.ts", import.meta.url),
  fastPath: new URL("./threads/fast-path-thread.ts", import.meta.url),
  keeper: new URL("./threads/keeper-thread.ts", import.meta.url),
  archiver: new URL("./threads/archiver-thread.ts", import.meta.url),
  follower: new URL("./threads/follower-thread.ts", import.meta.url),
  replicator: new URL("./threads/replicator-thread.ts", import.meta.url),
  teller: new URL("./threads/teller-thread.ts", import.meta.url),
  viewer: new URL("./threads/viewer-thread.ts", import.meta.url),
} as const;

/** What is known once the hub listens. */
type Bound = Pick<ReceiverMessage & { type: "bound" }, "endpoint" | "socket">;

/** A hub. It runs in its own threads from `start` until `stop`. */
export class Hub {
  /** Shows whether its threads respond. */
  readonly liveness: Liveness;
  private readonly shared: Shared;
  private readonly queue: RequestQueue;
  private readonly loan: Loan;
  private readonly lock: DataLock;
  private readonly bound = Promise.withResolvers<Bound>();
  private readonly ended = Promise.withResolvers<number>();
  /** The hub's state, for those who ask. */
  private readonly overview: Overview;
  private readonly control: Control;
  private readonly supervisor: Supervisor;
  private readonly draining: Draining;
  private readonly memory: NodeMemory;
  private readonly teller: Teller;
  private readonly replicator: ReplicatorThread;
  private stopMs = 0;

  /** @param log for the hub's own lines; its events go to the event log */
  constructor(
    private readonly settings: Settings,
    private readonly log: Log,
  ) {
    const [wake, loanWake] = [EventFd.create(), EventFd.create()];
    const shared = createShared(slotsFor(settings));
    this.shared = shared;
    this.queue = new RequestQueue(shared, wake);
    this.loan = new Loan(shared, settings.writers, loanWake);
    this.liveness = new Liveness(shared, this.queue, settings.writers, this.loan);
    this.showDebug(settings.log_level === "debug");
    this.overview = new Overview(settings, shared, this.liveness);
    this.lock = new DataLock(this.overview.guard.directory, shared);
    const viewer = new Viewer({ settings, log, entry: ENTRIES.viewer });
    this.memory = new NodeMemory({ overview: this.overview, log });
    this.control = new Control(this.overview, viewer, log, {
      forgetNode: (node) => this.forget(node),
      setDraining: (isWanted) => this.draining.set(isWanted),
    });
    const { overview } = this;
    this.replicator = new ReplicatorThread({
      settings,
      shared,
      overview,
      log,
      entries: ENTRIES,
      receiverWakeFd: wake.fd,
      connect: (port) => this.supervisor.connectBucket(port),
    });
    this.teller = new Teller({ settings, overview: this.overview, log, entries: ENTRIES });
    this.supervisor = new Supervisor({
      settings,
      shared,
      queue: this.queue,
      loan: this.loan,
      receiverWakeFd: wake.fd,
      fastPathWakeFd: loanWake.fd,
      overview: this.overview,
      log,
      entries: ENTRIES,
    });
    this.draining = new Draining(this.overview, this.supervisor, log);
  }

  /**
   * Starts the flushers and the writers, then those who tell what is stored, then the receiver,
   * then the fast path and the HTTP listener.
   *
   * @returns the endpoint, once the hub listens; undefined if it was stopped before
   * @throws {FatalError} if a key cannot be read; if the data directory cannot be made or written,
   * or is in use; or if the address cannot be bound
   */
  async start(): Promise<string | undefined> {
    const { settings, supervisor } = this;
    checkKeys(settings, this.log);
    openDataDirectory(this.overview.guard, this.lock, this.shared, this.log);
    supervisor.startFlushers(flushTasks(settings), this.lock.text);
    await this.unlessEnded(supervisor.startWriters());
    await this.unlessEnded(this.teller.begin());
    supervisor.startReceiver(
      this.memory.recall(),
      (message) => this.hearReceiver(message),
      (reason) => this.ended.reject(new FatalError(EXIT.failure, reason)),
    );
    const bound = await this.unlessEnded(this.bound.promise);
    if (bound === undefined || this.queue.stopping) return undefined;
    // The receiver works without the fast path until this is ready. With other levels of `ack`,
    // there is none.
    if (settings.ack === "stored") supervisor.startFastPath(bound.socket);
    this.control.start();
    supervisor.startKeeping();
    this.teller.started();
    this.replicator.begin();
    return bound.endpoint;
  }

  /**
   * Resolves when the hub has stopped, with the number of requests that it received but could not
   * answer. Rejects with a {@link FatalError} if its receiver has ended by itself.
   */
  get stopped(): Promise<number> {
    return this.ended.promise;
  }

  /** Calls a function with the port of the HTTP listener as soon as it listens. */
  onHttp(told: (port: number) => void): void {
    this.control.onListening(told);
  }

  /** Counts since the start, by the names of `Counter` in `shared/memory.ts`. */
  get totals(): Record<string, number> {
    return this.overview.totals;
  }

  /**
   * The message if the day's cap is reached, so that no more images are stored; otherwise
   * undefined.
   */
  async capReached(): Promise<string | undefined> {
    return capReached(await this.overview.imagesToday(), this.settings.max_images_write);
  }

  /**
   * Asks the hub to store and answer what has arrived, and to end. `stopped` resolves when it has.
   */
  stop(): void {
    this.stopMs = performance.now();
    this.queue.stop();
  }

  /** Reads the clients' keys, the HTTP listener's token and the files of outlets again. */
  reload(): void {
    this.queue.reload();
    this.control.reload();
    this.teller.reload();
  }

  /** Forgets a node with its views. @returns when that is noted on the disk, or cannot be */
  private async forget(node: string): Promise<void> {
    if ((await this.supervisor.forget(node)) > 0) await this.memory.forgot(node);
  }

  /** Sets whether the hub's threads report debug lines. */
  showDebug(isWanted: boolean): void {
    Atomics.store(this.shared.integers, Integer.debug, isWanted ? 1 : 0);
  }

  /** @returns undefined if the hub has ended before */
  private async unlessEnded<T>(part: Promise<T>): Promise<T | undefined> {
    return await Promise.race([part, this.ended.promise.then(() => undefined)]);
  }

  private hearReceiver(message: Exclude<ReceiverMessage, { type: "forgotten" }>): void {
    switch (message.type) {
      case "bound":
        this.bound.resolve(message);
        break;
      case "bindFailed":
        this.bound.reject(new FatalError(EXIT.bind, message.reason));
        break;
      case "stopped":
        void this.finish(message.unanswered);
        break;
      case "activity":
        this.overview.update(message);
        this.memory.note(message.isNews);
        break;
      case "log":
        this.log[message.level](message.message, message.fields);
    }
  }

  /** The receiver has stopped. Only flushing and telling are left. */
  private async finish(unanswered: number): Promise<void> {
    // Before the flushers: a stalled disk may never release them, and until they end, the process
    // keeps its port.
    this.control.close();
    this.draining.close();
    this.supervisor.endKeeping();
    this.loan.close();
    const leftMs = Math.max(0, this.stopMs + TELL_END_MS - performance.now());
    // Beside each other: they wait for the disk and for others, and a stop has little time.
    await Promise.all([
      this.memory.end(),
      this.supervisor.endFlushers(),
      this.teller.finish(Math.min(TELL_MS_MAX, leftMs)),
      this.replicator.finish(Math.min(REPLICATE_MS_MAX, leftMs)),
    ]);
    this.ended.resolve(unanswered);
  }
}
