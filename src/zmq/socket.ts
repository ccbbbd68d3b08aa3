/**
 * Contexts and sockets of libzmq. Only one thread at a time may use a socket.
 *
 * @module
 */

import type { Pointer } from "bun:ffi";
import { constants as os } from "node:os";
import { type Address, lastErrno } from "../os/ffi.ts";
import { cString, fail, zmq, ZmqError } from "./library.ts";
import type { Message } from "./message.ts";

/** Socket types, as zmq.h numbers them. */
export const SocketType = { pair: 0, sub: 2, req: 3, rep: 4, router: 6, xpub: 9 } as const;

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
  xpubNodrop: 69,
  zapEnforceDomain: 93,
} as const;

/** Socket options whose value is a string, as zmq.h numbers them. */
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

/** libzmq's own error numbers start here (zmq.h: ZMQ_HAUSNUMERO). Lower ones are the system's. */
const ZMQ_HAUSNUMERO = 156_384_712;
const ETERM = ZMQ_HAUSNUMERO + 53;

/** `zmq_ctx_new(3)`: libzmq's I/O threads. */
export class Context implements Disposable {
  private readonly pointer: Pointer;

  /** @throws {ZmqError} */
  constructor() {
    this.pointer = (zmq.zmq_ctx_new() ?? fail("zmq_ctx_new")) as Pointer;
    // The linger of each socket limits the wait at the end. Without this option, a forgotten socket
    // would wait for ever.
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
 * A socket of libzmq. Only one thread at a time may use it; whoever hands it over must ensure that.
 */
export class Socket implements Disposable {
  private readonly number = new Int32Array(1);

  /** @internal use {@link Context.socket} */
  constructor(
    /** @internal */ readonly pointer: Pointer,
    /** @internal undefined if borrowed */ readonly context?: Context,
  ) {}

  /**
   * A socket that another thread made and lends, by its {@link Socket.address}. Do not close it
   * here.
   */
  static borrowed(address: Address): Socket {
    return new Socket(address as Pointer);
  }

  /** Its address, for {@link Socket.borrowed}. */
  get address(): Address {
    return this.pointer;
  }

  /**
   * `zmq_setsockopt(3)` for int options. @param option of {@link SocketOption} @throws {ZmqError}
   */
  set(option: number, value: number): void {
    this.number[0] = value;
    if (zmq.zmq_setsockopt(this.pointer, option, this.number, 4) < 0) fail("zmq_setsockopt");
  }

  /**
   * `zmq_setsockopt(3)` for string options. @param option of {@link TextOption} @throws {ZmqError}
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
   * ZMQ_FD: becomes readable when something has happened to this socket since it was last asked for
   * a message and had none. Waiting for it costs a third of `zmq_poll`. After a send, or after a
   * message was there, ask for a message again before waiting: the socket may have noted the next
   * event already.
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

  /** `zmq_connect(3)`. @throws {ZmqError} EINVAL if the endpoint is not an address */
  connect(endpoint: string): void {
    if (zmq.zmq_connect(this.pointer, cString(endpoint)) < 0) fail("zmq_connect");
  }

  /** `zmq_disconnect(3)`. Ignores a connection that does not exist. */
  disconnect(endpoint: string): void {
    zmq.zmq_disconnect(this.pointer, cString(endpoint));
  }

  /**
   * `zmq_msg_recv(3)`, without waiting.
   *
   * @returns false if there is nothing to receive
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
   * `zmq_msg_recv(3)` of the next frame of a request whose first frame is here. All frames of a
   * message arrive together, so this does not wait.
   *
   * @throws {ZmqError}
   */
  receiveRest(into: Message): void {
    if (!this.tryReceive(into)) throw new ZmqError("zmq_msg_recv", os.errno.EAGAIN);
  }

  /** `zmq_msg_send(3)`, which empties the message. @throws {ZmqError} */
  sendMessage(message: Message, more: boolean): void {
    for (;;) {
      const errno = message.send(this.pointer, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
      if (errno === 0) return;
      if (errno !== os.errno.EINTR) throw new ZmqError("zmq_msg_send", errno);
    }
  }

  /**
   * `zmq_send(3)`: sends a copy of `bytes` as one frame. @throws {ZmqError} EAGAIN if it would have
   * to wait
   */
  send(bytes: Uint8Array, more: boolean): void {
    if (!this.trySend(bytes, more)) throw new ZmqError("zmq_send", os.errno.EAGAIN);
  }

  /** The same. @returns false if it would have to wait @throws {ZmqError} */
  trySend(bytes: Uint8Array, more: boolean): boolean {
    const flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    while (
      zmq.zmq_send(this.pointer, bytes.byteLength === 0 ? null : bytes, bytes.byteLength, flags) < 0
    ) {
      const errno = lastErrno();
      if (errno === os.errno.EAGAIN) return false;
      if (errno !== os.errno.EINTR) fail("zmq_send");
    }
    return true;
  }

  /** `zmq_close(3)`. */
  [Symbol.dispose](): void {
    zmq.zmq_close(this.pointer);
  }
}
