/**
 * The hub, put together: starts its parts in order and stops them in reverse.
 *
 * @module
 */

import { accessSync, constants, existsSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { capReached } from "./store/cap.ts";
import type { Settings } from "./config/schema.ts";
import { EXIT, FatalError, messageOf } from "./errors.ts";
import { Control } from "./http/control.ts";
import { Overview } from "./http/overview.ts";
import { fsyncDirectory } from "./os/files.ts";
import { EventFd } from "./os/wait.ts";
import type { Log } from "./log/log.ts";
import { findPortHolder } from "./os/port-holder.ts";
import { Loan } from "./shared/loan.ts";
import { clockFloor } from "./store/clock-floor.ts";
import { DataDirectoryInUse, DataLock } from "./store/data-lock.ts";
import { fileSystemOf, missingMountOf } from "./store/file-system.ts";
import { clearLeftovers } from "./store/leftovers.ts";
import type {
  FlusherMessage,
  LendableSocket,
  ReceiverMessage,
  ThreadStart,
  WriterMessage,
} from "./shared/messages.ts";
import { Liveness } from "./shared/liveness.ts";
import { EventQueue } from "./shared/event-queue.ts";
import { RequestQueue } from "./shared/queue.ts";
import { createShared, Integer, slotsFor } from "./shared/memory.ts";
import { Outcome, RequestSlots } from "./shared/request-slot.ts";
import { COMMITTED_S } from "./version.ts";
import { readKeyPair, readPublicKeys } from "./zmq/certificate.ts";

/**
 * How long a writer that ended is not replaced, in milliseconds, so that what ends each of them
 * does not become a storm.
 */
const REPLACE_AFTER_MS = 1000;

/** The bits of a file's mode that let its group and all others in. */
const OTHERS_MODE = 0o077;

const THREADS = {
  writer: new URL("./threads/writer-thread.ts", import.meta.url),
  receiver: new URL("./threads/receiver-thread.ts", import.meta.url),
  flusher: new URL("./threads/flusher-thread.ts", import.meta.url),
  fastPath: new URL("./threads/fast-path-thread.ts", import.meta.url),
} as const;

const FAST_PATH = "The fast path";

/** How a thread that stores is started, and spoken of. */
interface StoringThread {
  readonly url: URL;
  /** As `top -H` shows it. */
  readonly name: string;
  /** In the log, with `fields`. */
  readonly title: string;
  readonly fields: Record<string, unknown>;
  /** In what /healthz says. */
  readonly part: string;
}

/** A hub that runs in threads of its own, from `start` until `stop`. */
export class Hub {
  /** Whether its threads turn. */
  readonly liveness: Liveness;
  private readonly shared;
  private readonly wake = EventFd.create();
  private readonly queue: RequestQueue;
  private readonly loanWake = EventFd.create();
  private readonly loan: Loan;
  /** The receiver's socket, when it listens. */
  private socket: LendableSocket | undefined;
  private readonly ended = Promise.withResolvers<number>();
  /** What the hub does, and how it fares. */
  private readonly overview: Overview;
  private readonly control: Control;
  /** Each resolves when it has flushed a last time. */
  private readonly flushers: Promise<void>[] = [];
  private readonly lock: DataLock;

  /** @param log where the hub's own lines go; its events go to the event log */
  constructor(
    private readonly settings: Settings,
    private readonly log: Log,
  ) {
    this.shared = createShared(slotsFor(settings));
    this.queue = new RequestQueue(this.shared, this.wake);
    this.loan = new Loan(this.shared, settings.writers, this.loanWake);
    this.liveness = new Liveness(this.shared, this.queue, settings.writers, this.loan);
    this.showDebug(settings.log_level === "debug");
    this.lock = new DataLock(settings.data_directory, this.shared);
    this.overview = new Overview(settings, this.shared, this.liveness);
    this.control = new Control(this.overview, log);
  }

  /**
   * Starts the writers, then the receiver, then the HTTP listener.
   *
   * @returns the endpoint, when the hub listens; undefined where it was stopped before that
   * @throws {FatalError} where a key cannot be read, the data directory cannot be made or written
   * or is in use, or the address cannot be bound
   */
  async start(): Promise<string | undefined> {
    this.checkKeys();
    this.openDataDirectory();
    for (const [number, folders] of flushedTogether(this.settings).entries())
      this.flushers[number] = this.startFlusher(number, folders);
    const writers = Array.from({ length: this.settings.writers }, (_, writer) =>
      this.startWriter(writer),
    );
    await this.unlessEnded(Promise.all(writers));
    const endpoint = await this.unlessEnded(this.startReceiver());
    if (this.queue.stopping) return undefined;
    // The receiver does without it until it is there, and with the other levels of `ack` for good.
    if (this.settings.ack === "stored") void this.startWriter(this.settings.writers);
    this.control.start();
    return endpoint;
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

  /**
   * The receiver reads them again; here it is still the settings that are at fault, and nothing has
   * been made yet.
   */
  private checkKeys(): void {
    const { server_key: serverKey, client_keys: clientKeys } = this.settings.curve;
    try {
      if (serverKey !== "") readKeyPair(serverKey);
      if (clientKeys !== "") readPublicKeys(clientKeys);
      if (serverKey !== "" && (statSync(serverKey).mode & OTHERS_MODE) !== 0)
        this.log.warn(
          `Others than its owner can read ${serverKey}; to mend that: chmod 600 ${serverKey}`,
        );
    } catch (cause) {
      const reason = messageOf(cause);
      throw new FatalError(EXIT.config, `Cannot read the keys of hub.curve: ${reason}`, { cause });
    }
  }

  private openDataDirectory(): void {
    const { data_directory: data } = this.settings;
    try {
      expectDisk(data);
      if (makeDirectory(data))
        this.log.info(`Made the data directory ${data}, on ${fileSystemOf(data)}`);
      fsyncDirectory(data);
      this.lock.take();
      for (const folder of ["images", "logs"]) makeDirectory(join(data, folder));
      this.overview.data.adopt();
      this.clearLeftovers();
      Atomics.store(this.shared.integers, Integer.clockFloor, clockFloor(data, COMMITTED_S));
    } catch (cause) {
      if (cause instanceof FatalError) throw cause;
      if (cause instanceof DataDirectoryInUse)
        throw new FatalError(EXIT.data, cause.message, { cause });
      const reason = messageOf(cause);
      // The unit names the directory, too, and nothing else can be written.
      const hint =
        reason.includes("EROFS") && process.env["INVOCATION_ID"] !== undefined
          ? "; if the setting was changed, ReadWritePaths= of the unit has to be, too (Ansible and service install do that)"
          : "";
      throw new FatalError(
        EXIT.data,
        `Cannot write in the data directory ${data}: ${reason}${hint}`,
        {
          cause,
        },
      );
    }
  }

  /** What cannot be looked at or removed, it leaves: that keeps no image from being stored. */
  private clearLeftovers(): void {
    const { removed, failures } = clearLeftovers(this.settings.data_directory);
    if (removed > 0) this.log.warn(`Removed ${removed} unfinished files that an earlier run left`);
    const [first, ...others] = failures;
    if (first === undefined) return;
    const more = others.length === 0 ? "" : `, and ${others.length} more like it`;
    this.log.warn(
      `Cannot look for unfinished files of an earlier run, or remove them: ${first}${more}`,
    );
  }

  /** @returns undefined where the hub has ended before that */
  private async unlessEnded<T>(part: Promise<T>): Promise<T | undefined> {
    return await Promise.race([part, this.ended.promise.then(() => undefined)]);
  }

  /** @param ready of the one that it replaces, whose start may still be waited for */
  private startWriter(writer: number, ready = Promise.withResolvers<void>()): Promise<void> {
    const { url, name, title, part } = this.storing(writer);
    const worker = this.startThread(url, name, writer);
    worker.onmessage = ({ data }: MessageEvent<WriterMessage>) => {
      if (data.type !== "ready") return;
      this.overview.down.delete(part);
      ready.resolve();
    };
    worker.onerror = ({ message }) => this.log.error(`${title} has failed: ${message.trim()}`);
    worker.addEventListener("close", () => this.replaceWriter(writer, ready));
    return ready.promise;
  }

  /**
   * A writer or the fast path has ended, be it with an error or not. What it had in hand is
   * answered as an error, and another takes over.
   */
  private replaceWriter(writer: number, ready: PromiseWithResolvers<void>): void {
    const { integers, slots } = this.shared;
    const { title, part, fields } = this.storing(writer);
    if (part === FAST_PATH) {
      this.loan.isReady = false;
      this.loan.reclaim();
    }
    const index = Atomics.exchange(integers, Integer.inHand + writer, 0) - 1;
    if (part !== FAST_PATH) new EventQueue(this.shared, writer).release();
    // In a stop each ends in its turn. One that had something in hand did not, and others may still
    // wait for it.
    if (this.queue.stopping && index < 0) return;
    if (index >= 0) {
      const slot = new RequestSlots(slots).at(index);
      slot.failure = "the writer that had it ended";
      slot.outcome = Outcome.failed;
      this.queue.giveBack(index);
    }
    this.queue.callReceiver();
    this.overview.down.add(part);
    this.log.error(`${title} has ended and is replaced`, { ...fields, hadInHand: index >= 0 });
    setTimeout(() => void this.startWriter(writer, ready), REPLACE_AFTER_MS);
  }

  /** A thread that stores, by its number: the fast path has the one behind those of the writers. */
  private storing(writer: number): StoringThread {
    return writer === this.settings.writers
      ? { url: THREADS.fastPath, name: "fast path", title: FAST_PATH, part: FAST_PATH, fields: {} }
      : {
          url: THREADS.writer,
          name: `writer ${writer}`,
          title: "A writer",
          part: `Writer ${writer}`,
          fields: { writer },
        };
  }

  private startFlusher(number: number, folders: readonly string[]): Promise<void> {
    const flushed = Promise.withResolvers<void>();
    const worker = this.startThread(
      THREADS.flusher,
      number === 0 ? "flusher" : `flusher ${number}`,
      number,
      folders,
    );
    worker.onmessage = ({ data: message }: MessageEvent<FlusherMessage>) => {
      if (message.type === "ended") return flushed.resolve();
      if (message.type === "log") return this.log[message.level](message.message, message.fields);
      const failure =
        message.type === "flushed"
          ? null
          : `Could not bring what was written to the disk: ${message.reason}`;
      this.overview.note(`flush ${number}`, failure);
      if (failure !== null) this.log.error(failure);
    };
    worker.onerror = ({ message }) => this.log.error(`The flusher has failed: ${message.trim()}`);
    worker.addEventListener("close", () => {
      flushed.resolve();
      if (this.queue.stopping) return;
      this.log.error("The flusher has ended and is replaced");
      setTimeout(() => {
        this.flushers[number] = this.startFlusher(number, folders);
      }, REPLACE_AFTER_MS);
    });
    return flushed.promise;
  }

  private startReceiver(): Promise<string> {
    const bound = Promise.withResolvers<string>();
    let hasStopped = false;
    const worker = this.startThread(THREADS.receiver, "receiver");
    worker.onmessage = ({ data: message }: MessageEvent<ReceiverMessage>) => {
      switch (message.type) {
        case "bound":
          this.socket = message.socket;
          bound.resolve(message.endpoint);
          break;
        case "bindFailed":
          bound.reject(new FatalError(EXIT.bind, this.bindFailure(message)));
          break;
        case "stopped":
          hasStopped = true;
          void this.finish(message.unanswered);
          break;
        case "activity":
          this.overview.take(message);
          break;
        case "log":
          this.log[message.level](message.message, message.fields);
      }
    };
    worker.onerror = ({ message }) => {
      this.ended.reject(new FatalError(EXIT.failure, `The receiver has failed: ${message.trim()}`));
    };
    worker.addEventListener("close", () => {
      if (!hasStopped)
        this.ended.reject(new FatalError(EXIT.failure, "The receiver has ended by itself"));
    });
    return bound.promise;
  }

  /** The receiver has stopped: what was written is flushed, and that is all. */
  private async finish(unanswered: number): Promise<void> {
    const { integers } = this.shared;
    // Before the flusher, which a disk that stands still never lets go; nor does it let the process
    // give back a port.
    this.control.close();
    Atomics.store(integers, Integer.flusherEnd, 1);
    Atomics.notify(integers, Integer.flusherEnd);
    this.loan.close();
    await Promise.all(this.flushers);
    this.ended.resolve(unanswered);
  }

  /** @param name as `top -H` shows it */
  private startThread(url: URL, name: string, writer = 0, folders: readonly string[] = []): Worker {
    const worker = new Worker(url, { smol: true, name });
    const { settings, shared, wake, loanWake, socket, lock } = this;
    const start = {
      settings,
      shared,
      wakeFd: wake.fd,
      loanFd: loanWake.fd,
      writer,
      folders,
      lockText: lock.text,
      socket,
    };
    worker.postMessage(start satisfies ThreadStart);
    return worker;
  }

  private bindFailure({
    endpoint,
    code,
    reason,
  }: ReceiverMessage & { type: "bindFailed" }): string {
    const { port } = this.settings;
    switch (code) {
      case "EADDRINUSE": {
        const holder = findPortHolder(port);
        const who = holder
          ? `process ${holder.pid} (${holder.name})`
          : "a process that /proc does not show to this user (sudo ss -tlnp does)";
        return `Cannot bind ${endpoint}: port ${port} is in use by ${who}; stop it, or set another port`;
      }
      case "EACCES":
        return `Cannot bind ${endpoint}: ports below 1024 are for root; set a higher port`;
      case "ENODEV":
      case "EADDRNOTAVAIL":
        return `Cannot bind ${endpoint}: this machine has no such address or interface; see the setting bind`;
      case "EINVAL":
        return `Cannot bind ${endpoint}: no address of this machine; a link-local one needs its interface, as in fe80::1%eth0`;
      default:
        return `Cannot bind ${endpoint}: ${reason}`;
    }
  }
}

/**
 * The disk with the data directory has to be there: only the directory itself may be made, and not
 * where its disk is missing.
 *
 * @throws {FatalError}
 */
function expectDisk(data: string): void {
  if (lstatSync(data, { throwIfNoEntry: false }) === undefined) {
    const missing = firstMissing(dirname(data));
    if (missing !== undefined)
      throw new FatalError(
        EXIT.data,
        `Cannot make the data directory ${data}: ${missing} is not there; mount the disk, or make it`,
      );
  }
  // Where the hub has stored before, that is what is meant.
  const point = existsSync(join(data, "images")) ? undefined : missingMountOf(data);
  if (point !== undefined)
    throw new FatalError(
      EXIT.data,
      `Cannot use the data directory ${data}: nothing is mounted at ${point}, and /etc/fstab has a disk for it; mount it, or take that line out`,
    );
}

/** The uppermost directory on the way to a path that is not there. */
function firstMissing(path: string): string | undefined {
  if (existsSync(path)) return undefined;
  return firstMissing(dirname(path)) ?? path;
}

/**
 * What each flusher brings to the disk: where `images` and `logs` are on two disks, neither waits
 * for the other one's.
 */
function flushedTogether({ data_directory: data, ack }: Settings): readonly string[][] {
  const [images, logs] = [join(data, "images"), join(data, "logs")];
  const [ofData, ofImages, ofLogs] = [data, images, logs].map(
    (folder) => statSync(folder, { throwIfNoEntry: false })?.dev,
  );
  // With `synced` there is nothing to be flushed.
  if (ofImages === ofLogs || ack === "synced") return [[data, images, logs]];
  return ofData === ofLogs ? [[images], [data, logs]] : [[data, images], [logs]];
}

/**
 * Makes a directory, brings its name to the disk, and looks whether it can be written. @returns
 * whether it was made @throws {Error}
 */
function makeDirectory(path: string): boolean {
  let isNew = true;
  try {
    mkdirSync(path);
    fsyncDirectory(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    isNew = false;
  }
  accessSync(path, constants.W_OK | constants.X_OK);
  return isNew;
}
