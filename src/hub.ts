/**
 * The hub, put together: starts its parts in order and stops them in reverse.
 *
 * @module
 */

import { accessSync, constants, mkdirSync } from "node:fs";
import type { Settings } from "./config/schema.ts";
import { EXIT, FatalError } from "./errors.ts";
import { EventFd, fsyncDirectory } from "./libc.ts";
import type { Log } from "./log.ts";
import { findPortHolder } from "./port-holder.ts";
import { DataDirectoryInUse, lockDataDirectory } from "./store/data-lock.ts";
import { clearLeftovers } from "./store/leftovers.ts";
import type { FlusherMessage, ReceiverMessage, ThreadStart, WriterMessage } from "./threads/messages.ts";
import { RequestQueue } from "./threads/queue.ts";
import { Counter, createShared, Integer } from "./threads/shared.ts";
import { Outcome, Slots } from "./threads/slot.ts";
import { readKeyPair, readPublicKeys } from "./zmq/certificate.ts";

/** How long a writer that ended is not replaced, in milliseconds, so that what ends each of them does not become a storm. */
const REPLACE_AFTER_MS = 1000;

const THREADS = {
  writer: new URL("./threads/writer-thread.ts", import.meta.url),
  receiver: new URL("./threads/receiver-thread.ts", import.meta.url),
  flusher: new URL("./threads/flusher-thread.ts", import.meta.url),
} as const;

/** A hub that runs in threads of its own, from `start` until `stop`. */
export class Hub {
  private readonly shared;
  private readonly wake = EventFd.create();
  private readonly queue: RequestQueue;
  private readonly ended = Promise.withResolvers<number>();
  private flusher: Promise<void> | undefined;

  /** @param log where the hub's own lines go; its events go to the event log */
  constructor(
    private readonly settings: Settings,
    private readonly log: Log,
  ) {
    this.shared = createShared(settings.queuemax);
    this.queue = new RequestQueue(this.shared, this.wake);
  }

  /**
   * Starts the writers, then the receiver.
   *
   * @returns the endpoint, when the hub listens
   * @throws {FatalError} where a key cannot be read, the data directory cannot be made or written or is in use, or the
   * address cannot be bound
   */
  async start(): Promise<string> {
    this.checkKeys();
    this.openDataDirectory();
    // With `synced` there is nothing left to flush.
    if (this.settings.ack !== "synced") this.flusher = this.startFlusher();
    const writers = Array.from({ length: this.settings.writers }, (_, writer) => this.startWriter(writer));
    await this.unlessEnded(Promise.all(writers));
    return await this.unlessEnded(this.startReceiver());
  }

  /**
   * Resolves when the hub has stopped: to the number of requests that it had taken in and could not answer. Rejects with a
   * {@link FatalError} when its receiver has ended on its own.
   */
  get stopped(): Promise<number> {
    return this.ended.promise;
  }

  /** What the hub has done since its start, by the names of {@link Counter}. */
  get totals(): Record<string, number> {
    return Object.fromEntries(
      Object.entries(Counter).map(([name, index]) => [name, this.shared.counters[index]!]),
    );
  }

  /** Asks the hub to store and answer what has arrived, and to end. `stopped` tells when it has. */
  stop(): void {
    this.queue.stop();
  }

  /** Reads the keys of the clients again. */
  reload(): void {
    this.queue.reload();
  }

  /** The receiver reads them again; here it is still the settings that are at fault, and nothing has been made yet. */
  private checkKeys(): void {
    const { server_key: serverKey, client_keys: clientKeys } = this.settings.curve;
    try {
      if (serverKey !== "") readKeyPair(serverKey);
      if (clientKeys !== "") readPublicKeys(clientKeys);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FatalError(EXIT.config, `Cannot read the keys of hub.curve: ${reason}`, { cause });
    }
  }

  private openDataDirectory(): void {
    const { data_directory: data } = this.settings;
    try {
      for (const folder of [data, `${data}/images`, `${data}/logs`]) {
        mkdirSync(folder, { recursive: true });
        accessSync(folder, constants.W_OK | constants.X_OK);
      }
      fsyncDirectory(data);
      lockDataDirectory(data);
      const leftovers = clearLeftovers(data);
      if (leftovers > 0) this.log.warn(`Removed ${leftovers} unfinished files that an earlier run left`);
    } catch (cause) {
      if (cause instanceof DataDirectoryInUse) throw new FatalError(EXIT.data, cause.message, { cause });
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FatalError(EXIT.data, `Cannot write in the data directory ${data}: ${reason}`, { cause });
    }
  }

  private async unlessEnded<T>(part: Promise<T>): Promise<T> {
    return (await Promise.race([part, this.ended.promise])) as T;
  }

  /** @param ready of the one that it replaces, whose start may still be waited for */
  private startWriter(writer: number, ready = Promise.withResolvers<void>()): Promise<void> {
    const worker = this.startThread(THREADS.writer, writer);
    worker.onmessage = ({ data }: MessageEvent<WriterMessage>) => {
      if (data.type === "ready") ready.resolve();
    };
    worker.onerror = ({ message }) => this.log.error(`A writer has failed: ${message.trim()}`);
    worker.addEventListener("close", () => this.replaceWriter(writer, ready));
    return ready.promise;
  }

  /** A writer has ended, be it with an error or not. What it had in hand is answered as an error, and another takes over. */
  private replaceWriter(writer: number, ready: PromiseWithResolvers<void>): void {
    const { integers, slots } = this.shared;
    const index = Atomics.exchange(integers, Integer.inHand + writer, 0) - 1;
    // In a stop each ends in its turn. One that had something in hand did not, and others may still wait for it.
    if (this.queue.stopping && index < 0) return;
    if (index >= 0) {
      const slot = new Slots(slots).at(index);
      slot.text = "the writer that had it ended";
      slot.outcome = Outcome.failed;
      this.queue.giveBack(index);
    }
    this.log.error("A writer has ended and is replaced", { writer, hadInHand: index >= 0 });
    setTimeout(() => void this.startWriter(writer, ready), REPLACE_AFTER_MS);
  }

  private startFlusher(): Promise<void> {
    const flushed = Promise.withResolvers<void>();
    const worker = this.startThread(THREADS.flusher);
    worker.onmessage = ({ data: message }: MessageEvent<FlusherMessage>) => {
      if (message.type === "ended") flushed.resolve();
      else this.log.error(`Could not bring what was written to the disk: ${message.reason}`);
    };
    worker.onerror = ({ message }) => this.log.error(`The flusher has failed: ${message.trim()}`);
    worker.addEventListener("close", () => {
      flushed.resolve();
      if (this.queue.stopping) return;
      this.log.error("The flusher has ended and is replaced");
      setTimeout(() => {
        this.flusher = this.startFlusher();
      }, REPLACE_AFTER_MS);
    });
    return flushed.promise;
  }

  private startReceiver(): Promise<string> {
    const bound = Promise.withResolvers<string>();
    const worker = this.startThread(THREADS.receiver);
    worker.onmessage = ({ data: message }: MessageEvent<ReceiverMessage>) => {
      switch (message.type) {
        case "bound":
          bound.resolve(message.endpoint);
          break;
        case "bindFailed":
          bound.reject(new FatalError(EXIT.bind, this.bindFailure(message)));
          break;
        case "stopped":
          void this.finish(message.unanswered);
          break;
        case "log":
          this.log[message.level](message.message, message.fields);
      }
    };
    worker.onerror = ({ message }) => {
      this.ended.reject(new FatalError(EXIT.failure, `The receiver has failed: ${message.trim()}`));
    };
    return bound.promise;
  }

  /** The receiver has stopped: what was written is flushed, and that is all. */
  private async finish(unanswered: number): Promise<void> {
    const { integers } = this.shared;
    Atomics.store(integers, Integer.flusherEnd, 1);
    Atomics.notify(integers, Integer.flusherEnd);
    await this.flusher;
    this.ended.resolve(unanswered);
  }

  private startThread(url: URL, writer = 0): Worker {
    const worker = new Worker(url, { smol: true });
    const { settings, shared, wake } = this;
    worker.postMessage({ settings, shared, wakeFd: wake.fd, writer } satisfies ThreadStart);
    return worker;
  }

  private bindFailure({ endpoint, code, reason }: ReceiverMessage & { type: "bindFailed" }): string {
    const { port } = this.settings;
    switch (code) {
      case "EADDRINUSE": {
        const holder = findPortHolder(port);
        const who = holder
          ? `process ${holder.pid} (${holder.name})`
          : "a process that /proc does not show to this user";
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
