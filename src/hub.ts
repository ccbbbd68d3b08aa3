/**
 * The hub, put together: starts its parts in order and stops them in reverse.
 *
 * @module
 */

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
import { Supervisor } from "./threads/supervisor.ts";

/**
 * Where each kind of thread begins. These paths stand here because in an executable all files have
 * their place below that of the program.
 */
const ENTRIES = {
  writer: new URL("./threads/writer-thread.ts", import.meta.url),
  receiver: new URL("./threads/receiver-thread.ts", import.meta.url),
  flusher: new URL("./threads/flusher-thread.ts", import.meta.url),
  fastPath: new URL("./threads/fast-path-thread.ts", import.meta.url),
} as const;

/** What is known once the hub listens. */
type Bound = Pick<ReceiverMessage & { type: "bound" }, "endpoint" | "socket">;

/** A hub that runs in threads of its own, from `start` until `stop`. */
export class Hub {
  /** Whether its threads turn. */
  readonly liveness: Liveness;
  private readonly shared: Shared;
  private readonly queue: RequestQueue;
  private readonly loan: Loan;
  private readonly lock: DataLock;
  private readonly bound = Promise.withResolvers<Bound>();
  private readonly ended = Promise.withResolvers<number>();
  /** What the hub does, and how it fares. */
  private readonly overview: Overview;
  private readonly control: Control;
  private readonly supervisor: Supervisor;

  /** @param log where the hub's own lines go; its events go to the event log */
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
    this.control = new Control(this.overview, log);
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
  }

  /**
   * Starts the flushers and the writers, then the receiver, then the fast path and the HTTP
   * listener.
   *
   * @returns the endpoint, when the hub listens; undefined where it was stopped before that
   * @throws {FatalError} where a key cannot be read, the data directory cannot be made or written
   * or is in use, or the address cannot be bound
   */
  async start(): Promise<string | undefined> {
    const { settings, supervisor } = this;
    checkKeys(settings, this.log);
    openDataDirectory(this.overview.guard, this.lock, this.shared, this.log);
    supervisor.startFlushers(flushTasks(settings), this.lock.text);
    await this.unlessEnded(supervisor.startWriters());
    supervisor.startReceiver(
      (message) => this.hearReceiver(message),
      (reason) => this.ended.reject(new FatalError(EXIT.failure, reason)),
    );
    const bound = await this.unlessEnded(this.bound.promise);
    if (bound === undefined || this.queue.stopping) return undefined;
    // The receiver does without it until it is there, and with the other levels of `ack` for good.
    if (settings.ack === "stored") supervisor.startFastPath(bound.socket);
    this.control.start();
    return bound.endpoint;
  }

  /**
   * Resolves when the hub has stopped: to the number of requests that it had taken in and could not
   * answer. Rejects with a {@link FatalError} when its receiver has ended on its own.
   */
  get stopped(): Promise<number> {
    return this.ended.promise;
  }

  /** What the hub has done since its start, by the names of `Counter` in `shared/memory.ts`. */
  get totals(): Record<string, number> {
    return this.overview.totals;
  }

  /** What is to be said where no image is kept any more today; undefined where they are. */
  async capReached(): Promise<string | undefined> {
    return capReached(await this.overview.imagesToday(), this.settings.max_images_write);
  }

  /** Asks the hub to store and answer what has arrived, and to end. `stopped` tells when it has. */
  stop(): void {
    this.queue.stop();
  }

  /** Reads the keys of the clients again, and the token of the HTTP listener. */
  reload(): void {
    this.queue.reload();
    this.control.reload();
  }

  /** Whether the hub has lines at debug to tell. */
  showDebug(isWanted: boolean): void {
    Atomics.store(this.shared.integers, Integer.debug, isWanted ? 1 : 0);
  }

  /** @returns undefined where the hub has ended before that */
  private async unlessEnded<T>(part: Promise<T>): Promise<T | undefined> {
    return await Promise.race([part, this.ended.promise.then(() => undefined)]);
  }

  private hearReceiver(message: ReceiverMessage): void {
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
        break;
      case "log":
        this.log[message.level](message.message, message.fields);
    }
  }

  /** The receiver has stopped: what was written is flushed, and that is all. */
  private async finish(unanswered: number): Promise<void> {
    // Before the flusher, which a disk that stands still never lets go; nor does it let the process
    // give back a port.
    this.control.close();
    this.loan.close();
    await this.supervisor.endFlushers();
    this.ended.resolve(unanswered);
  }
}
