/**
 * Contexts and sockets of libzmq.
 *
 * A socket belongs to one thread at a time.
 *
 * @module
 */

import type { Pointer } from "bun:ffi";
import { constants as os } from "node:os";
import { type Address, lastErrno } from "../os/ffi.ts";
import { cString, fail, zmq, ZmqError } from "./library.ts";
import type { Message } from "./message.ts";

/** Socket types, as zmq.h numbers them. */
export const SocketType = { pair: 0, sub: 2, req: 3, rep: 4, router: 6 } as const;

/**
 * Socket options whose value is an int, as zmq.h numbers them; zmq_setsockopt(3) has their units.
 */
export const SocketOption = {
  linger: 17,
  reconnectIvl: 18,
  backlog: 19,
  reconnectIvlMax: 21,
  sendHwm: 23,
  receiveHwm: 24,
  tcpKeepalive: 34,
  tcpKeepaliveCnt: 35,
  tcpKeepaliveIdle: 36,
  tcpKeepaliveIntvl: 37,
  ipv6: 42,
  curveServer: 47,
  handshakeIvl: 66,
  heartbeatIvl: 75,
  heartbeatTimeout: 77,
  zapEnforceDomain: 93,
} as const;

/** Socket options whose value is a string, likewise. */
export const TextOption = {
  subscribe: 6,
  curvePublicKey: 48,
  curveSecretKey: 49,
  curveServerKey: 50,
  zapDomain: 55,
} as const;

const ZMQ_FD = 14;
const ZMQ_MAXMSGSIZE = 22;

const ZMQ_DONTWAIT = 1;
const ZMQ_SNDMORE = 2;
const ZMQ_BLOCKY = 70;

/**
 * libzmq's own error numbers start here (zmq.h: ZMQ_HAUSNUMERO); the lower ones are the system's.
 */
const ZMQ_HAUSNUMERO = 156_384_712;
const ETERM = ZMQ_HAUSNUMERO + 53;

/** `zmq_ctx_new(3)`: the I/O threads behind the sockets. */
export class Context implements Disposable {
  private readonly pointer: Pointer;

  /** @throws {ZmqError} */
  constructor() {
    this.pointer = (zmq.zmq_ctx_new() ?? fail("zmq_ctx_new")) as Pointer;
    // Each socket's own linger bounds the wait at the end; without this a forgotten one would wait
    // for ever.
    zmq.zmq_ctx_set(this.pointer, ZMQ_BLOCKY, 0);
  }

  /** `zmq_socket(3)`. @param type a value of {@link SocketType} @throws {ZmqError} */
  socket(type: number): Socket {
    return new Socket((zmq.zmq_socket(this.pointer, type) ?? fail("zmq_socket")) as Pointer, this);
  }

  /** `zmq_ctx_term(3)`: waits until every socket is closed and has sent what its linger allows. */
  [Symbol.dispose](): void {
    while (zmq.zmq_ctx_term(this.pointer) < 0 && lastErrno() === os.errno.EINTR);
  }
}

/**
 * A socket of libzmq. It may be used by one thread at a time: whoever hands it on has to see to
 * that.
 */
export class Socket implements Disposable {
  private readonly number = new Int32Array(1);

  /** @internal use {@link Context.socket} */
  constructor(
    /** @internal */ readonly pointer: Pointer,
    /** @internal undefined where it is borrowed */ readonly context?: Context,
  ) {}

  /**
   * A socket that another thread made and lends, by its {@link Socket.address}. It is not to be
   * closed here.
   */
  static borrowed(address: Address): Socket {
    return new Socket(address as Pointer);
  }

  /** Where it is, for {@link Socket.borrowed}. */
  get address(): Address {
    return this.pointer;
  }

  /**
   * `zmq_setsockopt(3)` for options of type int. @param option of {@link SocketOption} @throws
   * {ZmqError}
   */
  set(option: number, value: number): void {
    this.number[0] = value;
    if (zmq.zmq_setsockopt(this.pointer, option, this.number, 4) < 0) fail("zmq_setsockopt");
  }

  /**
   * `zmq_setsockopt(3)` for options of type string. @param option of {@link TextOption} @throws
   * {ZmqError}
   */
  setText(option: number, value: string): void {
    if (zmq.zmq_setsockopt(this.pointer, option, cString(value), Buffer.byteLength(value)) < 0)
      fail("zmq_setsockopt");
  }

  /**
   * ZMQ_MAXMSGSIZE, in bytes: a peer that sends a longer frame is disconnected. @throws {ZmqError}
   */
  set maxMessageSize(bytes: number) {
    if (zmq.zmq_setsockopt(this.pointer, ZMQ_MAXMSGSIZE, new BigInt64Array([BigInt(bytes)]), 8) < 0)
      fail("zmq_setsockopt");
  }

  /**
   * ZMQ_FD: becomes readable when something has happened to this socket since it was asked for a
   * message last and had none. To wait for it costs a third of what `zmq_poll` does, but after a
   * send, or a message that was there, it must be asked again first: it may have taken note of what
   * comes next by then.
   *
   * @throws {ZmqError}
   */
  get descriptor(): number {
    const length = new BigUint64Array([4n]);
    if (zmq.zmq_getsockopt(this.pointer, ZMQ_FD, this.number, length) < 0) fail("zmq_getsockopt");
    return this.number[0]!;
  }

  /** `zmq_bind(3)`. @throws {ZmqError} EADDRINUSE, EADDRNOTAVAIL, EACCES, ENODEV, … */
  bind(endpoint: string): void {
    if (zmq.zmq_bind(this.pointer, cString(endpoint)) < 0) fail("zmq_bind");
  }

  /** `zmq_connect(3)`. @throws {ZmqError} EINVAL where the endpoint is no address */
  connect(endpoint: string): void {
    if (zmq.zmq_connect(this.pointer, cString(endpoint)) < 0) fail("zmq_connect");
  }

  /** `zmq_disconnect(3)`. That there is no such connection is no error. */
  disconnect(endpoint: string): void {
    zmq.zmq_disconnect(this.pointer, cString(endpoint));
  }

  /**
   * `zmq_msg_recv(3)` without waiting.
   *
   * @returns false when there is nothing to receive
   * @throws {ZmqError}
   */
  tryReceive(into: Message): boolean {
    for (;;) {
      const errno = into.receive(this.pointer, ZMQ_DONTWAIT);
      if (errno === 0) return true;
      if (errno === os.errno.EAGAIN || errno === ETERM) return false;
      if (errno !== os.errno.EINTR) throw new ZmqError("zmq_msg_recv", errno);
    }
  }

  /**
   * `zmq_msg_recv(3)` of a further frame of the request whose first frame is already here: all
   * frames of a message arrive together, so this does not wait.
   *
   * @throws {ZmqError}
   */
  receiveRest(into: Message): void {
    if (!this.tryReceive(into)) throw new ZmqError("zmq_msg_recv", os.errno.EAGAIN);
  }

  /** `zmq_msg_send(3)`, which leaves the message empty. @throws {ZmqError} */
  sendMessage(message: Message, more: boolean): void {
    for (;;) {
      const errno = message.send(this.pointer, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
      if (errno === 0) return;
      if (errno !== os.errno.EINTR) throw new ZmqError("zmq_msg_send", errno);
    }
  }

  /**
   * `zmq_send(3)`: sends a copy of `bytes` as one frame. @throws {ZmqError} EAGAIN where it would
   * have to wait
   */
  send(bytes: Uint8Array, more: boolean): void {
    const flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    while (
      zmq.zmq_send(this.pointer, bytes.byteLength === 0 ? null : bytes, bytes.byteLength, flags) < 0
    ) {
      if (lastErrno() !== os.errno.EINTR) fail("zmq_send");
    }
  }

  /** `zmq_close(3)`. */
  [Symbol.dispose](): void {
    zmq.zmq_close(this.pointer);
  }
}
