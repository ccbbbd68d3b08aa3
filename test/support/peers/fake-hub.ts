/**
 * A ZeroMQ server that is no hub: it answers what a test wants, or nothing.
 *
 * @module
 */

import { Context, type Socket, SocketOption, SocketType } from "../../../src/zmq/socket.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";
import { receiveFrames, sendFrames } from "./zmq-peer.ts";

/**
 * Answers every request with `reply`. If that is undefined, it takes requests without answering.
 */
export class FakeHub implements AsyncDisposable {
  readonly port = freePort();
  /** The last frames of the received requests. */
  readonly payloads: Buffer[] = [];
  readonly #context = new Context();
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #ends = false;

  constructor(reply: readonly (string | Uint8Array)[] | undefined) {
    this.#socket = this.#context.socket(SocketType.router);
    this.#socket.set(SocketOption.linger, 0);
    this.#socket.bind(`tcp://127.0.0.1:${this.port}`);
    this.#ended = this.#serve(reply);
  }

  async #serve(reply: readonly (string | Uint8Array)[] | undefined): Promise<void> {
    while (!this.#ends) {
      for (let frames = this.#next(); frames !== undefined; frames = this.#next()) {
        this.payloads.push(frames.at(-1)!);
        if (reply !== undefined) sendFrames(this.#socket, [frames[0]!, "", ...reply]);
      }
      await Bun.sleep(1);
    }
  }

  #next(): Buffer[] | undefined {
    return receiveFrames(this.#socket, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ends = true;
    await this.#ended;
    this.#socket[Symbol.dispose]();
    this.#context[Symbol.dispose]();
  }
}
