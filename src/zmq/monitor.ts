/**
 * Events of a libzmq socket's connections (zmq_socket_monitor_versioned(3)).
 *
 * @module
 */

import { read } from "bun:ffi";
import { cString, fail, zmq } from "./library.ts";
import { type Message, MessageArray } from "./message.ts";
import { type Socket, SocketOption, SocketType } from "./socket.ts";

/** Events of a monitored socket, as zmq.h numbers them. */
export const MonitorEvent = {
  connected: 0x0001,
  connectRetried: 0x0004,
  accepted: 0x0020,
  disconnected: 0x0200,
  handshakeFailedNoDetail: 0x0800,
  handshakeSucceeded: 0x1000,
  handshakeFailedProtocol: 0x2000,
  handshakeFailedAuth: 0x4000,
} as const;

/**
 * Values of {@link MonitorEvent.handshakeFailedProtocol} that wrong settings of a peer can cause,
 * as zmq.h numbers them.
 */
export const ProtocolError = {
  /** Usually a socket type that does not match ours. */
  invalidMetadata: 0x10000018,
  cryptographic: 0x11000001,
  mechanismMismatch: 0x11000002,
} as const;

/** The version of events with the addresses of both ends (ZMQ_CURRENT_EVENT_VERSION_DRAFT). */
const EVENT_VERSION = 2;

/** Index of the frame with an event's first value. */
const VALUE_FRAME = 2;

/**
 * Only these. The event of a failed bind would overwrite errno before zmq_bind returns (libzmq
 * 4.3.5).
 */
const EVENTS = Object.values(MonitorEvent).reduce<number>((events, event) => events | event, 0);

/** An event of a connection. */
export interface ConnectionEvent {
  /** One of {@link MonitorEvent}, or another number of zmq.h. */
  readonly event: number;
  /** Its value, e.g. a descriptor. */
  readonly value: number;
  /** The other end, e.g. `192.168.86.41:50123`; empty if libzmq no longer knows it. */
  readonly peer: string;
}

/** The events of one socket's connections. */
export class Monitor implements Disposable {
  private readonly frames = new MessageArray(1);

  /** For a poller: readable when there is an event. */
  readonly socket: Socket;

  /**
   * `zmq_socket_monitor_versioned(3)`: reports events of this socket's connections from now on.
   *
   * @throws {ZmqError} if that fails
   */
  constructor({ context, pointer }: Socket) {
    if (context === undefined) throw new Error("A borrowed socket cannot be monitored");
    const endpoint = `inproc://monitor-${pointer}`;
    const { pair } = SocketType;
    if (
      zmq.zmq_socket_monitor_versioned(pointer, cString(endpoint), EVENTS, EVENT_VERSION, pair) < 0
    )
      fail("zmq_socket_monitor_versioned");
    this.socket = context.socket(pair);
    this.socket.set(SocketOption.linger, 0);
    // Drop no event: after a missed one, a count of connections would be wrong for ever.
    this.socket.set(SocketOption.receiveHwm, 0);
    this.socket.connect(endpoint);
  }

  /**
   * The next event, without waiting. Its frames are the event, the number of values, the values
   * (here always one), and the addresses of both ends.
   */
  next(): ConnectionEvent | undefined {
    const frame = this.frames.at(0);
    if (!this.socket.tryReceive(frame)) return undefined;
    const event = this.number(frame);
    let value = 0;
    let peer = "";
    for (let at = 1; frame.more; at++) {
      this.socket.receiveRest(frame);
      if (at === VALUE_FRAME) value = this.number(frame);
      else if (!frame.more)
        peer = frame
          .bytes()
          .toString()
          .replace(/^tcp:\/\/(?:\[::ffff:([\d.]+)\])?/, "$1");
    }
    return { event, value, peer };
  }

  /** The lower half of a 64-bit frame. */
  private number(frame: Message): number {
    return read.i32(frame.data, 0);
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}
