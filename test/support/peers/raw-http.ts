/**
 * A connection to an HTTP server on which a test says what it likes.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { COMES_MS } from "./zmq-peer.ts";

/** See the module. */
export class RawHttp implements Disposable {
  /** What has come. */
  text = "";
  isClosed = false;
  readonly socket: Socket;

  /** @param port of 127.0.0.1 */
  constructor(port: number) {
    // The end of the server's side is not to end this one, as it would be for one that means no
    // good.
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.on("data", (chunk) => (this.text += chunk.toString("latin1")));
    this.socket.on("error", () => undefined);
    for (const event of ["end", "close"] as const)
      this.socket.on(event, () => (this.isClosed = true));
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** How many answers have begun to come. */
  get answers(): number {
    return this.text.split("HTTP/1.1 ").length - 1;
  }

  /** Waits until it is so. @returns false where it does not come to that */
  async until(isSo: () => boolean): Promise<boolean> {
    for (const end = performance.now() + COMES_MS; !isSo(); await Bun.sleep(5)) {
      if (performance.now() > end) return false;
    }
    return true;
  }

  /** Waits until the server has ended it. @returns false where it does not */
  async untilClosed(): Promise<boolean> {
    return await this.until(() => this.isClosed);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
