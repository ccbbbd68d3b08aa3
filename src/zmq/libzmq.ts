/**
 * libzmq's C API through `bun:ffi`: contexts, sockets, messages, polling and monitoring.
 *
 * The library comes from the `zeromq` package, whose prebuilt addon exports it whole; that package's own JavaScript
 * cannot run in Bun, because it needs `uv_poll_init_socket`. This is the only file that knows libzmq's pointers, structs
 * and errno. A socket belongs to one thread at a time. Only what the hub uses is here.
 *
 * @module
 */

import { CString, dlopen, FFIType, type Pointer, ptr, read } from "bun:ffi";
import { constants as os } from "node:os";
import { libzmqPath } from "#libzmq";
import { type Address, copyTo, type EventFd, lastErrno } from "../libc.ts";

const { symbols: zmq } = dlopen(libzmqPath(), {
  zmq_bind: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_close: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_connect: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_ctx_new: { args: [], returns: FFIType.ptr },
  zmq_ctx_set: { args: [FFIType.ptr, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  zmq_ctx_term: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_disconnect: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_curve_keypair: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_getsockopt: { args: [FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_msg_close: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_msg_data: { args: [FFIType.ptr], returns: FFIType.ptr },
  zmq_msg_get: { args: [FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  zmq_msg_gets: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.ptr },
  zmq_msg_init: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_msg_move: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_msg_more: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_msg_recv: { args: [FFIType.ptr, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  zmq_msg_send: { args: [FFIType.ptr, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  zmq_msg_size: { args: [FFIType.ptr], returns: FFIType.u64_fast },
  zmq_poll: { args: [FFIType.ptr, FFIType.i32, FFIType.i64], returns: FFIType.i32 },
  zmq_send: { args: [FFIType.ptr, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
  zmq_setsockopt: { args: [FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.u64], returns: FFIType.i32 },
  zmq_socket: { args: [FFIType.ptr, FFIType.i32], returns: FFIType.ptr },
  zmq_socket_monitor_versioned: {
    args: [FFIType.ptr, FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.i32],
    returns: FFIType.i32,
  },
  zmq_strerror: { args: [FFIType.i32], returns: FFIType.ptr },
  zmq_version: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr], returns: FFIType.void },
  zmq_z85_encode: { args: [FFIType.ptr, FFIType.ptr, FFIType.u64], returns: FFIType.ptr },
});

/** Socket types, as zmq.h numbers them. */
export const SocketType = { pair: 0, sub: 2, req: 3, rep: 4, router: 6 } as const;

/** Socket options whose value is an int, as zmq.h numbers them; zmq_setsockopt(3) has their units. */
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

/** Values of {@link MonitorEvent.handshakeFailedProtocol} that the settings of a peer may be to blame for, as zmq.h numbers them. */
export const ProtocolError = {
  /** Most often a socket type that does not go with the one here. */
  invalidMetadata: 0x10000018,
  cryptographic: 0x11000001,
  mechanismMismatch: 0x11000002,
} as const;

/** The form of events that carries the addresses of both ends (ZMQ_CURRENT_EVENT_VERSION_DRAFT). */
const EVENT_VERSION = 2;

/** Which of an event's frames is its first value. */
const VALUE_FRAME = 2;

const ZMQ_SRCFD = 2;
const ZMQ_DONTWAIT = 1;
const ZMQ_SNDMORE = 2;
const ZMQ_POLLIN = 1;
const ZMQ_BLOCKY = 70;
/** No others: the event of a bind that failed would overwrite errno before zmq_bind returns (libzmq 4.3.5). */
const EVENTS = Object.values(MonitorEvent).reduce<number>((events, event) => events | event, 0);

/** libzmq's own error numbers start here (zmq.h: ZMQ_HAUSNUMERO); the lower ones are the system's. */
const ZMQ_HAUSNUMERO = 156_384_712;
const ETERM = ZMQ_HAUSNUMERO + 53;

/** The oldest libzmq that the hub runs on: earlier ones lose replies and have known holes. */
const VERSION_MIN = [4, 3, 4] as const;

/** A call of libzmq that failed. */
export class ZmqError extends Error {
  override readonly name = "ZmqError";
  /** The C function, e.g. `zmq_bind`. */
  readonly function: string;
  /** What errno was right after the call. */
  readonly errno: number;

  constructor(name: string, errno: number) {
    super(`${new CString(zmq.zmq_strerror(errno))} (${name}, errno ${errno})`);
    this.function = name;
    this.errno = errno;
  }
}

function fail(name: string): never {
  throw new ZmqError(name, lastErrno());
}

/** Strings that C reads during one call only. */
function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** `zmq_version(3)`, e.g. "4.3.5". */
export function zmqVersion(): string {
  const version = new Int32Array(3);
  const at = ptr(version);
  zmq.zmq_version(at, (at + 4) as Pointer, (at + 8) as Pointer);
  return version.join(".");
}

/** @throws {Error} when the loaded libzmq is older than 4.3.4 */
export function checkZmqVersion(): void {
  const version = zmqVersion();
  const parts = version.split(".").map(Number);
  const different = VERSION_MIN.findIndex((part, at) => parts[at] !== part);
  if (different >= 0 && (parts[different] ?? 0) < VERSION_MIN[different]!) {
    throw new Error(`libzmq ${version} is too old: ${VERSION_MIN.join(".")} or later is needed`);
  }
}

/** Characters of a CURVE key in Z85. */
const KEY_CHARS = 40;

/** `zmq_curve_keypair(3)`: new keys, in Z85. @throws {ZmqError} ENOTSUP where libzmq was built without CURVE */
export function newKeyPair(): { publicKey: string; secretKey: string } {
  const [publicKey, secretKey] = [Buffer.alloc(KEY_CHARS + 1), Buffer.alloc(KEY_CHARS + 1)];
  if (zmq.zmq_curve_keypair(publicKey, secretKey) < 0) fail("zmq_curve_keypair");
  return {
    publicKey: publicKey.toString("latin1", 0, KEY_CHARS),
    secretKey: secretKey.toString("latin1", 0, KEY_CHARS),
  };
}

/** `zmq_z85_encode(3)`. @param bytes as many as a multiple of 4 */
export function z85Encode(bytes: Uint8Array): string {
  const text = Buffer.alloc((bytes.byteLength / 4) * 5 + 1);
  if (zmq.zmq_z85_encode(text, bytes, bytes.byteLength) === null) fail("zmq_z85_encode");
  return text.toString("latin1", 0, text.byteLength - 1);
}

/** `zmq_msg_t` is 64 bytes on every platform, and aligned as a pointer is. */
export const MESSAGE_BYTES = 64;

/**
 * A `zmq_msg_t` in memory that someone else keeps: the view on it costs nothing and is made once.
 *
 * A message may be handed to another thread, which then alone may touch it, until it is handed back.
 */
export class Message {
  private readonly pointer: Pointer;

  /**
   * @param address of {@link MESSAGE_BYTES} bytes, aligned to 8
   * @param memory that they are in: held, since the collector takes memory of which only an address is left; undefined where
   * that is not the collector's
   */
  constructor(
    address: Address,
    /** @internal */ readonly memory?: Uint8Array,
  ) {
    this.pointer = address as Pointer;
  }

  /** `zmq_msg_init(3)`: makes it an empty message. What it held before is forgotten, not freed. */
  init(): void {
    zmq.zmq_msg_init(this.pointer);
  }

  /** `zmq_msg_size(3)`, in bytes. */
  get size(): number {
    return zmq.zmq_msg_size(this.pointer) as number;
  }

  /** `zmq_msg_data(3)`: where its bytes are, until it is closed, received into or sent. */
  get data(): Address {
    return zmq.zmq_msg_data(this.pointer) as number;
  }

  /** `zmq_msg_more(3)`: whether a further frame of the same request follows. */
  get more(): boolean {
    return zmq.zmq_msg_more(this.pointer) !== 0;
  }

  /** ZMQ_SRCFD of `zmq_msg_get(3)`: the descriptor of the connection that it came on; -1 where it came on none. */
  get sourceFd(): number {
    return zmq.zmq_msg_get(this.pointer, ZMQ_SRCFD);
  }

  /** `zmq_msg_gets(3)`: a property of the connection that it came on, e.g. `Peer-Address`. */
  property(name: string): string | undefined {
    const value = zmq.zmq_msg_gets(this.pointer, cString(name));
    return value === null ? undefined : new CString(value);
  }

  /** Its first byte; it must have one. */
  get firstByte(): number {
    return read.u8(zmq.zmq_msg_data(this.pointer)!, 0);
  }

  /** Whether it begins as a JPEG file does: `FF D8 FF`. */
  get isJpeg(): boolean {
    if (this.size < 3) return false;
    const data = zmq.zmq_msg_data(this.pointer)!;
    return read.u8(data, 0) === 0xff && read.u8(data, 1) === 0xd8 && read.u8(data, 2) === 0xff;
  }

  /** A copy of its bytes. */
  bytes(): Buffer {
    const copy = Buffer.allocUnsafe(this.size);
    copyTo(copy, this.data, copy.byteLength);
    return copy;
  }

  /** Copies its bytes to the start of `target`. */
  copyTo(target: Uint8Array): void {
    copyTo(target, this.data, this.size);
  }

  /** `zmq_msg_close(3)`: frees what it holds. It is empty and may be received into again. */
  clear(): void {
    zmq.zmq_msg_close(this.pointer);
    zmq.zmq_msg_init(this.pointer);
  }

  /** `zmq_msg_move(3)`: takes what another holds, which is empty then; what it held itself is freed. */
  moveFrom(other: Message): void {
    zmq.zmq_msg_move(this.pointer, other.pointer);
  }

  /** @internal `zmq_msg_recv(3)`; @returns errno, or 0 */
  receive(socket: Pointer, flags: number): number {
    return zmq.zmq_msg_recv(this.pointer, socket, flags) < 0 ? lastErrno() : 0;
  }

  /** @internal `zmq_msg_send(3)`, which leaves it empty; @returns errno, or 0 */
  send(socket: Pointer, flags: number): number {
    return zmq.zmq_msg_send(this.pointer, socket, flags) < 0 ? lastErrno() : 0;
  }
}

/** Messages of one thread, side by side in memory. */
export class MessageArray {
  private readonly messages: Message[] = [];

  constructor(length: number) {
    const memory = new Uint8Array(length * MESSAGE_BYTES);
    const start = ptr(memory);
    for (let index = 0; index < length; index++) {
      const message = new Message(start + index * MESSAGE_BYTES, memory);
      message.init();
      this.messages.push(message);
    }
  }

  at(index: number): Message {
    const message = this.messages[index];
    if (message === undefined) throw new RangeError(`No message ${index} of ${this.messages.length}`);
    return message;
  }
}

/** `zmq_ctx_new(3)`: the I/O threads behind the sockets. */
export class Context implements Disposable {
  private readonly pointer: Pointer;

  /** @throws {ZmqError} */
  constructor() {
    this.pointer = (zmq.zmq_ctx_new() ?? fail("zmq_ctx_new")) as Pointer;
    // Each socket's own linger bounds the wait at the end; without this a forgotten one would wait for ever.
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

/** A socket of libzmq. It may be used by one thread at a time: whoever hands it on has to see to that. */
export class Socket implements Disposable {
  private readonly number = new Int32Array(1);

  /** @internal use {@link Context.socket} */
  constructor(
    /** @internal */ readonly pointer: Pointer,
    private readonly context?: Context,
  ) {}

  /** A socket that another thread made and lends, by its {@link Socket.address}. It is not to be closed here. */
  static borrowed(address: Address): Socket {
    return new Socket(address as Pointer);
  }

  /** Where it is, for {@link Socket.borrowed}. */
  get address(): Address {
    return this.pointer;
  }

  /** `zmq_setsockopt(3)` for options of type int. @param option of {@link SocketOption} @throws {ZmqError} */
  set(option: number, value: number): void {
    this.number[0] = value;
    if (zmq.zmq_setsockopt(this.pointer, option, this.number, 4) < 0) fail("zmq_setsockopt");
  }

  /** `zmq_setsockopt(3)` for options of type string. @param option of {@link TextOption} @throws {ZmqError} */
  setText(option: number, value: string): void {
    if (zmq.zmq_setsockopt(this.pointer, option, cString(value), Buffer.byteLength(value)) < 0)
      fail("zmq_setsockopt");
  }

  /** ZMQ_MAXMSGSIZE, in bytes: a peer that sends a longer frame is disconnected. @throws {ZmqError} */
  set maxMessageSize(bytes: number) {
    if (zmq.zmq_setsockopt(this.pointer, ZMQ_MAXMSGSIZE, new BigInt64Array([BigInt(bytes)]), 8) < 0)
      fail("zmq_setsockopt");
  }

  /**
   * ZMQ_FD: becomes readable when something has happened to this socket since it was asked for a message last and had none. To
   * wait for it costs a third of what `zmq_poll` does, but after a send, or a message that was there, it must be asked again
   * first: it may have taken note of what comes next by then.
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
   * `zmq_msg_recv(3)` of a further frame of the request whose first frame is already here: all frames of a message
   * arrive together, so this does not wait.
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

  /** `zmq_send(3)`: sends a copy of `bytes` as one frame. @throws {ZmqError} EAGAIN where it would have to wait */
  send(bytes: Uint8Array, more: boolean): void {
    const flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    while (zmq.zmq_send(this.pointer, bytes.byteLength === 0 ? null : bytes, bytes.byteLength, flags) < 0) {
      if (lastErrno() !== os.errno.EINTR) fail("zmq_send");
    }
  }

  /** `zmq_socket_monitor_versioned(3)`: what happens to this socket's connections. @throws {ZmqError} */
  monitor(): Monitor {
    const endpoint = `inproc://monitor-${this.pointer}`;
    if (this.context === undefined) throw new Error("A borrowed socket cannot be monitored");
    const { pair: type } = SocketType;
    if (zmq.zmq_socket_monitor_versioned(this.pointer, cString(endpoint), EVENTS, EVENT_VERSION, type) < 0)
      fail("zmq_socket_monitor_versioned");
    const pair = this.context.socket(SocketType.pair);
    pair.set(SocketOption.linger, 0);
    // No event is dropped: a count of connections that missed one would be wrong for ever.
    pair.set(SocketOption.receiveHwm, 0);
    pair.connect(endpoint);
    return new Monitor(pair);
  }

  /** `zmq_close(3)`. */
  [Symbol.dispose](): void {
    zmq.zmq_close(this.pointer);
  }
}

/** Something that has happened to a connection. */
export interface ConnectionEvent {
  /** One of {@link MonitorEvent}, or another of zmq.h. */
  readonly event: number;
  /** Its value, e.g. a descriptor. */
  readonly value: number;
  /** The other end, e.g. `192.168.86.41:50123`; empty where libzmq does not know it any more. */
  readonly peer: string;
}

/** The events of one socket's connections. */
export class Monitor implements Disposable {
  private readonly frames = new MessageArray(1);

  /** @internal use {@link Socket.monitor} */
  constructor(
    /** For a {@link Poller}: readable when there is an event. */
    readonly socket: Socket,
  ) {}

  /**
   * The next event without waiting. Its frames are the event, the number of its values, these (of which every event here has
   * one), and the addresses of this end and the other.
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

  /** The low half of a frame of 64 bits. */
  private number(frame: Message): number {
    return read.i32(frame.data, 0);
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/** `zmq_pollitem_t`: the socket (8 bytes), the descriptor (4), the events wanted (2) and seen (2). */
const POLL_ITEM_BYTES = 16;

/** `zmq_poll(3)` for reading, over a fixed list of sockets and events. */
export class Poller {
  private readonly memory: Uint8Array;
  private readonly items: DataView;

  constructor(private readonly sources: readonly (Socket | EventFd)[]) {
    this.memory = new Uint8Array(sources.length * POLL_ITEM_BYTES);
    this.items = new DataView(this.memory.buffer);
    for (const [index, source] of sources.entries()) {
      const at = index * POLL_ITEM_BYTES;
      if (source instanceof Socket) this.items.setBigUint64(at, BigInt(source.pointer), true);
      else this.items.setInt32(at + 8, source.fd, true);
      this.want(index, true);
    }
  }

  /** Whether source `index` is waited for. */
  want(index: number, wanted: boolean): void {
    this.items.setInt16(index * POLL_ITEM_BYTES + 12, wanted ? ZMQ_POLLIN : 0, true);
  }

  /**
   * Waits until a source is readable, `timeoutMs` have passed (-1: for ever), or a signal came.
   *
   * @throws {ZmqError}
   */
  wait(timeoutMs: number): void {
    const count = zmq.zmq_poll(this.memory, this.sources.length, timeoutMs);
    if (count < 0 && lastErrno() !== os.errno.EINTR) fail("zmq_poll");
    if (count > 0) return;
    for (let index = 0; index < this.sources.length; index++) {
      this.items.setInt16(index * POLL_ITEM_BYTES + 14, 0, true);
    }
  }

  /** Whether the last wait found source `index` readable. */
  readable(index: number): boolean {
    return this.items.getInt16(index * POLL_ITEM_BYTES + 14, true) !== 0;
  }
}
