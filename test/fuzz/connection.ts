/**
 * A TCP connection to a hub that waits without blocking its thread, even with many connections.
 *
 * @module
 */

import { connect } from "node:net";
import { Listener } from "./zmtp.ts";

/** Connections from one address: fewer than a hub accepts at once. */
const EACH = 500;

let count = 0;

/** The address of the next connection: a hub accepts only so many from each. */
export function nextAddress(): string {
  const number = Math.floor(count++ / EACH) % 60_000;
  return `127.1.${number >> 8}.${(number & 255) + 1}`;
}

/** A connection to 127.0.0.1, open or about to be opened. */
export class Connection implements Disposable {
  /** Whether the hub has ended or refused it. */
  isOver = false;
  /** Why, if it was not simply closed. */
  fault: Error | undefined;
  /** What the hub sent. */
  readonly heard = new Listener();
  private readonly socket;
  private stirred = Promise.withResolvers<void>();

  constructor(
    port: number,
    /** Whether it is reset at the end instead of closed. */
    private readonly resets = false,
  ) {
    const localAddress = nextAddress();
    this.socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true }, () =>
      this.stir(),
    );
    this.socket.on("error", (error) => {
      this.fault = error;
    });
    this.socket.on("close", () => {
      this.isOver = true;
      this.stir();
    });
    this.socket.on("data", (bytes: Buffer) => {
      this.heard.hear(bytes);
      this.stir();
    });
  }

  /** Waits until it is open or refused. */
  async open(msMax: number): Promise<void> {
    await this.until(() => !this.socket.connecting, msMax);
  }

  /** Waits for the hub's answer to a valid handshake. @throws {Error} if there is none */
  async ready(msMax: number): Promise<void> {
    if (await this.until(() => this.heard.isReady, msMax)) return;
    throw new Error(`A right handshake got no READY: ${this.fault?.message ?? "nothing comes"}`);
  }

  send(bytes: Uint8Array): void {
    if (!this.isOver) this.socket.write(bytes);
  }

  /**
   * Waits until something is true, the connection has ended, or the time is over. @returns whether
   * it is true
   */
  async until(isSo: () => boolean, msMax: number): Promise<boolean> {
    const endMs = performance.now() + msMax;
    // A moment later, so the time is certainly over when it wakes.
    const timer = setTimeout(() => this.stir(), msMax + 1);
    try {
      while (!isSo() && !this.isOver && performance.now() < endMs) await this.stirred.promise;
    } finally {
      clearTimeout(timer);
    }
    return isSo();
  }

  private stir(): void {
    this.stirred.resolve();
    this.stirred = Promise.withResolvers<void>();
  }

  [Symbol.dispose](): void {
    if (this.resets) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }
}
