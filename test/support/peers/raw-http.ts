/**
 * A connection to an HTTP server, over which a test sends any bytes.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { COMES_MS } from "./zmq-peer.ts";

/** One connection. */
export class RawHttp implements Disposable {
  /** What has been received. */
  text = "";
  isClosed = false;
  readonly socket: Socket;

  /** @param port of 127.0.0.1 */
  constructor(port: number) {
    // The server's end must not end this side, as with a hostile peer.
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.on("data", (chunk) => (this.text += chunk.toString("latin1")));
    this.socket.on("error", () => undefined);
    for (const event of ["end", "close"] as const)
      this.socket.on(event, () => (this.isClosed = true));
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** Number of answers that have begun to arrive. */
  get answers(): number {
    return this.text.split("HTTP/1.1 ").length - 1;
  }

  /** Waits until something is true. @returns false if it takes too long */
  async until(isSo: () => boolean): Promise<boolean> {
    for (const end = performance.now() + COMES_MS; !isSo(); await Bun.sleep(5)) {
      if (performance.now() > end) return false;
    }
    return true;
  }

  /** Waits until the server has closed it. @returns false if it does not */
  async untilClosed(): Promise<boolean> {
    return await this.until(() => this.isClosed);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
