/**
 * Threads of their own that store images and events, as the hub's writers do.
 *
 * @module
 */

import { createShared } from "../../../src/shared/memory.ts";
import { FakeClock } from "../machine/fake-clock.ts";
import type { StoreCommand, StoreImage, StoreResult, StoreThreadStart } from "./store-worker.ts";

/** A thread that stores. It does one command at a time. */
export class StoreThread implements Disposable {
  readonly #worker = new Worker(new URL("store-worker.ts", import.meta.url));

  private constructor() {}

  /**
   * Starts a thread. What is not given is a memory and a clock of its own, no cap, and all
   * abilities.
   */
  static async start(
    start: Partial<StoreThreadStart> & Pick<StoreThreadStart, "data">,
  ): Promise<StoreThread> {
    const thread = new StoreThread();
    await thread.#send({
      imagesMax: 1_000_000,
      shared: createShared(1),
      clock: FakeClock.at("2026-11-22T12:00:00").state,
      durable: false,
      lost: [],
      ...start,
    });
    return thread;
  }

  async #send(message: StoreThreadStart | StoreCommand): Promise<StoreResult[]> {
    const answered = Promise.withResolvers<StoreResult[]>();
    this.#worker.onmessage = ({ data }: MessageEvent<StoreResult[]>) => answered.resolve(data);
    this.#worker.onerror = ({ message: text }) => answered.reject(new Error(text));
    this.#worker.postMessage(message);
    return await answered.promise;
  }

  async store(images: readonly StoreImage[]): Promise<StoreResult[]> {
    return await this.#send({ type: "store", images });
  }

  async append(texts: readonly string[]): Promise<StoreResult[]> {
    return await this.#send({ type: "append", texts });
  }

  /** Takes so many places in the date folder of now. */
  async reserve(times: number): Promise<StoreResult[]> {
    return await this.#send({ type: "reserve", times });
  }

  /**
   * Looks at the event logs until `state[0]` is set to something else than 0, and gives what was
   * wrong.
   */
  async watch(state: Int32Array<SharedArrayBuffer>): Promise<string[]> {
    return await this.#send({ type: "watch", state });
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
