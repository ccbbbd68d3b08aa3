/**
 * A TCP connection to a hub, over which a test sends bytes that libzmq would never send.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { COMES_MS } from "./zmq-peer.ts";

/** A connection to 127.0.0.1. */
export class RawPeer implements Disposable {
  /** Whether the hub has closed it. */
  isClosed = false;
  readonly #socket: Socket;
  readonly #received: Buffer[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#received.push(bytes));
    socket.on("error", () => (this.isClosed = true));
    socket.on("close", () => (this.isClosed = true));
    socket.on("end", () => (this.isClosed = true));
  }

  /** Connects and sends these bytes. */
  static async connect(port: number, ...chunks: readonly Uint8Array[]): Promise<RawPeer> {
    const connected = Promise.withResolvers<void>();
    const socket = connect(port, "127.0.0.1", () => connected.resolve());
    const peer = new RawPeer(socket);
    socket.on("error", (error) => connected.reject(error));
    await connected.promise;
    for (const chunk of chunks) peer.send(chunk);
    return peer;
  }

  send(bytes: Uint8Array): void {
    if (!this.isClosed) this.#socket.write(bytes);
  }

  /** Stops reading, so what the hub sends piles up. */
  pause(): void {
    this.#socket.pause();
  }

  /** What has been received so far. */
  received(): Buffer {
    return Buffer.concat(this.#received);
  }

  /**
   * Waits until these bytes have arrived or the hub has closed the connection. @throws {Error} if
   * neither happens
   */
  async heard(text: string): Promise<void> {
    for (const end = performance.now() + COMES_MS; !this.isClosed; await Bun.sleep(5)) {
      if (this.received().includes(text)) return;
      if (performance.now() > end) throw new Error(`The hub does not say ${text}`);
    }
  }

  /**
   * Waits until the hub has closed the connection.
   *
   * @param meanwhile is called every 50 ms, e.g. to send another byte
   * @throws {Error} if it does not
   */
  async closed(meanwhile: () => void = () => undefined): Promise<void> {
    for (const end = performance.now() + COMES_MS; !this.isClosed; await Bun.sleep(50)) {
      if (performance.now() > end) throw new Error("The hub does not close the connection");
      meanwhile();
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
