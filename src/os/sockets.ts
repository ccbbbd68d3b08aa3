/**
 * TCP sockets by their descriptors, which may belong to libzmq or the runtime.
 *
 * @module
 */

import { c } from "./ffi.ts";

const SHUT_RDWR = 2;
const IPPROTO_TCP = 6;
const SO_COOKIE = 57;
const SIOCOUTQNSD = 0x894b;
const F_DUPFD_CLOEXEC = 1030;
const TCP_CORK = 3;
const TCP_USER_TIMEOUT = 18;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const TCP_INFO = 11;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const ON = new Int32Array([1]);
const OFF = new Int32Array([0]);
const socketValue = new BigUint64Array(1);
const socketValueBytes = new Uint32Array(1);

/** struct sockaddr_in6; sockaddr_in has the port at the same offset. */
const socketAddress = new Uint8Array(28);

/**
 * The cookie if getsockopt(2) fails: the descriptor is not a socket, or the kernel is older than
 * Linux 4.12.
 */
const NO_COOKIE = 0n;

/**
 * `getsockopt(fd, SOL_SOCKET, SO_COOKIE)`: a number that the kernel gives to one socket and never
 * reuses.
 *
 * @param peer the other end of the expected connection, e.g. `192.168.86.41:50123`
 * @returns undefined if the descriptor belongs to another connection by now
 */
export function cookieOf(fd: number, peer: string): bigint | undefined {
  socketValueBytes[0] = socketAddress.byteLength;
  if (c.getpeername(fd, socketAddress, socketValueBytes) < 0) return undefined;
  if (!peer.endsWith(`:${socketAddress[2]! * 256 + socketAddress[3]!}`)) return undefined;
  return readCookie(fd);
}

function readCookie(fd: number): bigint {
  socketValueBytes[0] = socketValue.byteLength;
  return c.getsockopt(fd, SOL_SOCKET, SO_COOKIE, socketValue, socketValueBytes) < 0
    ? NO_COOKIE
    : socketValue[0]!;
}

/**
 * A connection that belongs to someone else, who may close it at any time. Its descriptor may then
 * become another connection's. Until this is disposed of, all methods act on the original
 * connection only.
 */
export class HeldConnection implements Disposable {
  private constructor(
    private readonly fd: number,
    private readonly isOwn: boolean,
  ) {}

  /**
   * @param fd its descriptor so far
   * @param cookie from {@link cookieOf}
   * @returns undefined if the connection is gone
   */
  static at(fd: number, cookie: bigint): HeldConnection | undefined {
    // A duplicate keeps the socket, whatever happens to the other descriptor. If no descriptor is
    // left, use the original: a moment of risk remains.
    const own = c.fcntl(fd, F_DUPFD_CLOEXEC, 0);
    const held = own < 0 ? new HeldConnection(fd, false) : new HeldConnection(own, true);
    if (readCookie(held.fd) === cookie) return held;
    held[Symbol.dispose]();
    return undefined;
  }

  /**
   * `setsockopt(fd, IPPROTO_TCP, TCP_CORK, 1)`: data written from now on leaves together with the
   * connection's end, in one packet, or after 200 ms.
   */
  cork(): void {
    c.setsockopt(this.fd, IPPROTO_TCP, TCP_CORK, ON, ON.byteLength);
  }

  /** Sends what was held back since {@link cork}, and holds back nothing more. */
  uncork(): void {
    c.setsockopt(this.fd, IPPROTO_TCP, TCP_CORK, OFF, OFF.byteLength);
  }

  /** `ioctl(fd, SIOCOUTQNSD)`: bytes written but not yet sent. */
  get unsentBytes(): number {
    return c.ioctl(this.fd, SIOCOUTQNSD, socketValueBytes) < 0 ? 0 : socketValueBytes[0]!;
  }

  /** `shutdown(fd, SHUT_RDWR)`: ends the connection. Its owner then closes it. */
  shutdown(): void {
    c.shutdown(this.fd, SHUT_RDWR);
  }

  [Symbol.dispose](): void {
    if (this.isOwn) c.close(this.fd);
  }
}

/** Kernel limits for a listening socket and the connections accepted on it. */
export interface ListenBounds {
  /**
   * Maximum connections that wait to be accepted. Peers of further ones try again after a second.
   */
  readonly waiting: number;
  /**
   * Bytes of the send and the receive buffer of each connection. The kernel uses twice as much
   * memory.
   */
  readonly sendBytes: number;
  readonly receiveBytes: number;
  /**
   * How long the kernel tries to send to a peer that takes nothing, in milliseconds; also after the
   * connection was closed.
   */
  readonly sendMs: number;
}

/**
 * Sets SO_SNDBUF, SO_RCVBUF and TCP_USER_TIMEOUT, which accepted connections inherit, and the
 * backlog. Ignores errors.
 */
export function boundListener(
  fd: number,
  { waiting, sendBytes, receiveBytes, sendMs }: ListenBounds,
): void {
  for (const [level, name, number] of [
    [SOL_SOCKET, SO_SNDBUF, sendBytes],
    [SOL_SOCKET, SO_RCVBUF, receiveBytes],
    [IPPROTO_TCP, TCP_USER_TIMEOUT, sendMs],
  ] as const) {
    const value = new Int32Array([number]);
    c.setsockopt(fd, level, name, value, value.byteLength);
  }
  // For a socket that already listens, this changes only the backlog.
  c.listen(fd, waiting);
}

/**
 * `send(fd, bytes, MSG_DONTWAIT | MSG_NOSIGNAL)`: sends as much as the kernel takes at once.
 * Ignores errors.
 */
export function sendAtOnce(fd: number, bytes: Uint8Array): void {
  c.send(fd, bytes, bytes.byteLength, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/** struct tcp_info of linux/tcp.h, up to the last member used here (Linux 4.1). */
const TCP_INFO_BYTES = 136;
const LAST_DATA_RECV = 52 / 4;
const LAST_ACK_RECV = 56 / 4;
const BYTES_RECEIVED = 128 / 8;

/**
 * `getsockopt(fd, IPPROTO_TCP, TCP_INFO)`: the kernel's data about a connection. One object serves
 * many connections.
 */
export class TcpInfo {
  /** Bytes received from the peer since the connection was made. */
  bytesReceived = 0;
  /**
   * Time since anything came from the peer, even an answer to a keepalive probe, in milliseconds.
   */
  unheardMs = 0;
  private readonly memory = new ArrayBuffer(TCP_INFO_BYTES);
  private readonly bytes = new Uint8Array(this.memory);
  private readonly words = new Uint32Array(this.memory);
  private readonly longs = new BigUint64Array(this.memory);
  private readonly length = new Uint32Array(1);

  /**
   * Reads the data. @returns false if there is no such connection, or the kernel is older than
   * Linux 4.1
   */
  read(fd: number): boolean {
    this.length[0] = TCP_INFO_BYTES;
    if (c.getsockopt(fd, IPPROTO_TCP, TCP_INFO, this.bytes, this.length) < 0) return false;
    if (this.length[0] < TCP_INFO_BYTES) return false;
    this.bytesReceived = Number(this.longs[BYTES_RECEIVED]!);
    this.unheardMs = Math.min(this.words[LAST_DATA_RECV]!, this.words[LAST_ACK_RECV]!);
    return true;
  }
}
