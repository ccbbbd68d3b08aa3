/**
 * The sender's end: a REQ socket that reports what it waited for in vain.
 *
 * @module
 */

import { MessageArray } from "../zmq/message.ts";
import { Monitor, MonitorEvent } from "../zmq/monitor.ts";
import { Poller } from "../zmq/poller.ts";
import { type Context, type Socket, SocketOption, SocketType, TextOption } from "../zmq/socket.ts";
import type { KeyPair } from "../zmq/certificate.ts";
import type { Frames } from "./frames.ts";

/** The hub did not connect, or did not answer, in time. */
export class HubUnreachable extends Error {
  override readonly name = "HubUnreachable";

  constructor(readonly stage: "connection" | "answer") {
    super(`No ${stage} in time`);
  }
}

/** How often the connection's events are checked, in milliseconds. */
const POLL_MS = 50;

/** A sender like imagezmq's. */
export class Requester implements Disposable {
  private readonly socket: Socket;
  private readonly monitor: Monitor;
  private readonly frames = new MessageArray(1);

  constructor(
    context: Context,
    private readonly endpoint: string,
    { isIPv6, keys, serverKey }: { isIPv6: boolean; keys?: KeyPair; serverKey?: string },
  ) {
    this.socket = context.socket(SocketType.req);
    this.socket.set(SocketOption.linger, 0);
    // Only one of the two: with both, libzmq tries only the first address of a name that has both.
    this.socket.set(SocketOption.ipv6, isIPv6 ? 1 : 0);
    if (keys !== undefined && serverKey !== undefined) {
      this.socket.setText(TextOption.curvePublicKey, keys.publicKey);
      this.socket.setText(TextOption.curveSecretKey, keys.secretKey);
      this.socket.setText(TextOption.curveServerKey, serverKey);
    }
    this.monitor = new Monitor(this.socket);
  }

  /**
   * Connects and waits until the ZeroMQ handshake is done.
   *
   * @throws {HubUnreachable} if the first attempt fails, or after `timeoutMs`
   */
  connect(timeoutMs: number): void {
    const end = performance.now() + timeoutMs;
    const poller = new Poller([this.monitor.socket]);
    this.socket.connect(this.endpoint);
    while (performance.now() < end) {
      poller.wait(POLL_MS);
      for (let next = this.monitor.next(); next !== undefined; next = this.monitor.next()) {
        if (next.event === MonitorEvent.handshakeSucceeded) return;
        if (FAILURES.has(next.event)) throw new HubUnreachable("connection");
      }
    }
    throw new HubUnreachable("connection");
  }

  /** Sends a request and waits for its reply. @throws {HubUnreachable} after `timeoutMs` */
  request([header, payload]: Frames, timeoutMs: number): { reply: string; milliseconds: number } {
    const start = performance.now();
    const reply = this.frames.at(0);
    const poller = new Poller([this.socket]);
    this.socket.send(header, true);
    this.socket.send(payload, false);
    for (;;) {
      const left = start + timeoutMs - performance.now();
      if (left <= 0) throw new HubUnreachable("answer");
      poller.wait(Math.ceil(left));
      if (this.socket.tryReceive(reply)) break;
    }
    const milliseconds = performance.now() - start;
    const text = reply.bytes().toString();
    while (reply.more) this.socket.receiveRest(reply);
    return { reply: text, milliseconds };
  }

  [Symbol.dispose](): void {
    this.monitor[Symbol.dispose]();
    this.socket[Symbol.dispose]();
  }
}

/** Events that mean that an attempt to connect failed. */
const FAILURES: ReadonlySet<number> = new Set([
  MonitorEvent.connectRetried,
  MonitorEvent.disconnected,
  MonitorEvent.handshakeFailedNoDetail,
  MonitorEvent.handshakeFailedProtocol,
  MonitorEvent.handshakeFailedAuth,
]);
