/**
 * Sockets of TCP by their descriptors, which may be those of libzmq or of the runtime.
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
const ON = new Int32Array([1]);
const socketValue = new BigUint64Array(1);
const socketValueBytes = new Uint32Array(1);

/** struct sockaddr_in6; that of IPv4 has its port at the same place. */
const socketAddress = new Uint8Array(28);

/**
 * What getsockopt(2) gives as {@link cookieOf} for a descriptor that is no socket, and on kernels
 * older than Linux 4.12 for all.
 */
const NO_COOKIE = 0n;

/**
 * `getsockopt(fd, SOL_SOCKET, SO_COOKIE)`: a number that the kernel gives to one socket and never
 * again.
 *
 * @param peer the other end of the connection that it is asked for, e.g. `192.168.86.41:50123`
 * @returns undefined where that is not the one at this descriptor, any more
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
 * A connection that belongs to someone else, who may close it at any time, and whose descriptor
 * then may become another one's: as long as this is not disposed of, what is done here is done to
 * that connection and no other.
 */
export class HeldConnection implements Disposable {
  private constructor(
    private readonly fd: number,
    private readonly isOwn: boolean,
  ) {}

  /**
   * @param fd where it was
   * @param cookie of {@link cookieOf}
   * @returns undefined where it is gone
   */
  static at(fd: number, cookie: bigint): HeldConnection | undefined {
    // A descriptor of its own keeps the socket, whatever becomes of the other one. Where there are
    // no more, there is a moment left.
    const own = c.fcntl(fd, F_DUPFD_CLOEXEC, 0);
    const held = own < 0 ? new HeldConnection(fd, false) : new HeldConnection(own, true);
    if (readCookie(held.fd) === cookie) return held;
    held[Symbol.dispose]();
    return undefined;
  }

  /**
   * `setsockopt(fd, IPPROTO_TCP, TCP_CORK, 1)`: what is written from now on leaves with the
   * connection's end, in one packet, or after 200 ms.
   */
  cork(): void {
    c.setsockopt(this.fd, IPPROTO_TCP, TCP_CORK, ON, ON.byteLength);
  }

  /** `ioctl(fd, SIOCOUTQNSD)`: bytes that were written and have not left. */
  get unsentBytes(): number {
    return c.ioctl(this.fd, SIOCOUTQNSD, socketValueBytes) < 0 ? 0 : socketValueBytes[0]!;
  }

  /** `shutdown(fd, SHUT_RDWR)`: ends it. Its owner then closes it. */
  shutdown(): void {
    c.shutdown(this.fd, SHUT_RDWR);
  }

  [Symbol.dispose](): void {
    if (this.isOwn) c.close(this.fd);
  }
}

/**
 * What the kernel may hold for a socket that listens and the connections that are accepted on it.
 */
export interface ListenBounds {
  /**
   * Connections that wait until they are accepted. Where there are more, peers have to try again,
   * after a second.
   */
  readonly waiting: number;
  /**
   * Bytes on the way out and on the way in of each connection; the kernel takes twice as much
   * memory.
   */
  readonly sendBytes: number;
  readonly receiveBytes: number;
  /**
   * For how long it tries to send to a peer that does not take it, also when the connection was
   * closed, in milliseconds.
   */
  readonly sendMs: number;
}

/**
 * Sets SO_SNDBUF, SO_RCVBUF and TCP_USER_TIMEOUT, which connections take from the socket that
 * listens, and its backlog. Errors are ignored.
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
  // On a socket that listens already this changes nothing else.
  c.listen(fd, waiting);
}

/** struct tcp_info of linux/tcp.h, up to the last member that is read here (Linux 4.1). */
const TCP_INFO_BYTES = 136;
const LAST_DATA_RECV = 52 / 4;
const LAST_ACK_RECV = 56 / 4;
const BYTES_RECEIVED = 128 / 8;

/**
 * `getsockopt(fd, IPPROTO_TCP, TCP_INFO)`: what the kernel knows of a connection. Made once, read
 * for many.
 */
export class TcpInfo {
  /** Bytes that have come from the peer since the connection was made. */
  bytesReceived = 0;
  /**
   * For how long nothing has come from the peer, not even the answer to a keepalive probe, in
   * milliseconds.
   */
  unheardMs = 0;
  private readonly memory = new ArrayBuffer(TCP_INFO_BYTES);
  private readonly bytes = new Uint8Array(this.memory);
  private readonly words = new Uint32Array(this.memory);
  private readonly longs = new BigUint64Array(this.memory);
  private readonly length = new Uint32Array(1);

  /**
   * Reads it. @returns false where there is no such connection, or the kernel is older than Linux
   * 4.1
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
