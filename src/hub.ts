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
import type { ReceiverMessage, ThreadStart, WriterMessage } from "./threads/messages.ts";
import { RequestQueue } from "./threads/queue.ts";
import { Counter, createShared } from "./threads/shared.ts";

/** A hub that runs in threads of its own, from `start` until `stop`. */
export class Hub {
  private readonly shared;
  private readonly wake = EventFd.create();
  private readonly queue: RequestQueue;
  private readonly ended = Promise.withResolvers<number>();

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
   * @throws {FatalError} where the data directory cannot be made or written, or the address cannot be bound
   */
  async start(): Promise<string> {
    this.makeDirectories();
    const writers = Array.from({ length: this.settings.writers }, () => this.startWriter());
    await this.unlessEnded(Promise.all(writers));
    return await this.unlessEnded(this.startReceiver());
  }

  /**
   * Resolves when the hub has stopped: to the number of requests that it had taken in and could not answer. Rejects with a
   * {@link FatalError} when one of its threads has ended on its own.
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

  private makeDirectories(): void {
    const { data_directory: data } = this.settings;
    try {
      for (const folder of [data, `${data}/images`, `${data}/logs`]) {
        mkdirSync(folder, { recursive: true });
        accessSync(folder, constants.W_OK | constants.X_OK);
      }
      fsyncDirectory(data);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FatalError(EXIT.data, `Cannot write in the data directory ${data}: ${reason}`, { cause });
    }
  }

  private async unlessEnded<T>(part: Promise<T>): Promise<T> {
    return (await Promise.race([part, this.ended.promise])) as T;
  }

  private startWriter(): Promise<void> {
    const ready = Promise.withResolvers<void>();
    const worker = this.startThread(new URL("./threads/writer-thread.ts", import.meta.url));
    worker.onmessage = ({ data: message }: MessageEvent<WriterMessage>) => {
      if (message.type === "ready") ready.resolve();
      else this.log[message.level](message.message, message.fields);
    };
    return ready.promise;
  }

  private startReceiver(): Promise<string> {
    const bound = Promise.withResolvers<string>();
    const worker = this.startThread(new URL("./threads/receiver-thread.ts", import.meta.url));
    worker.onmessage = ({ data: message }: MessageEvent<ReceiverMessage>) => {
      switch (message.type) {
        case "bound":
          bound.resolve(message.endpoint);
          break;
        case "bindFailed":
          bound.reject(new FatalError(EXIT.bind, this.bindFailure(message)));
          break;
        case "stopped":
          this.ended.resolve(message.unanswered);
          break;
        case "log":
          this.log[message.level](message.message, message.fields);
      }
    };
    return bound.promise;
  }

  private startThread(url: URL): Worker {
    const worker = new Worker(url, { smol: true });
    worker.onerror = ({ message }) => {
      this.ended.reject(new FatalError(EXIT.failure, `A thread of the hub has failed: ${message.trim()}`));
    };
    const { settings, shared, wake } = this;
    worker.postMessage({ settings, shared, wakeFd: wake.fd } satisfies ThreadStart);
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
