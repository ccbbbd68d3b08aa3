/**
 * The open connections: their number, the requests that each has in hand, and which ones to close.
 *
 * A camera whose connection ends while it waits for a reply never sends again (REQ of ZeroMQ). So
 * there are only two reasons to close one: there are too many, or unfinished messages use too much
 * memory. No clock ends a connection: that is left to TCP.
 *
 * @module
 */

import { cookieOf, HeldConnection, TcpInfo } from "../os/sockets.ts";
import { type Monitor, MonitorEvent, ProtocolError } from "../zmq/monitor.ts";

/**
 * Time without a sign of life after which a peer is probably gone, in milliseconds: two TCP probes
 * had no answer.
 */
const SILENT_MS = 150_000;

/**
 * The count of a connection's bytes may be off by what libzmq itself receives, such as PINGs. When
 * a message is complete, up to this many bytes are forgiven. More may be whole messages that wait
 * in libzmq.
 */
const DRIFT_BYTES_MAX = 2 ** 20;

/** A peer that has sent no more than this, in bytes, has only greeted. */
const GREETING_BYTES_MAX = 1024;

/** Used as the address of a connection that ended before it could be asked. */
const GONE = "an address that is gone already";

const PROTOCOL_ERRORS = new Map<number, string>([
  [ProtocolError.cryptographic, "its keys do not fit those of the hub"],
  [ProtocolError.mechanismMismatch, "only one side has CURVE"],
]);

/** Limits and callbacks for connections. */
export interface ConnectionsOptions {
  /** Maximum open connections; libzmq has no limit of its own. */
  readonly max: number;
  /** Maximum bytes in memory for unfinished messages, over all connections. */
  readonly unfinishedBytesMax: number;
  /** Called with a line about a connection that came or went. */
  readonly debug: (message: string) => void;
  /** Called for each connection that the hub closes or TCP has given up. */
  readonly onGivenUp: (connection: Connection, reason: GivenUp) => void;
  /** Called with the reason and the peer when a handshake failed that nobody refused. */
  readonly onFailed: (reason: string, peer: string) => void;
  /**
   * Called with a peer whose socket type cannot talk to this one, such as PUB. libzmq does not
   * report these, nor some malformed greetings, so it may be one of the latter.
   */
  readonly onWrongType: (peer: string) => void;
}

/** Why a connection was closed. */
export type GivenUp = "tooMany" | "unfinished" | "silent";

/** A connection, while it is open or has requests in hand. */
export interface Connection {
  /**
   * Its descriptor, possibly a former one: the monitor reports the end later, and then another
   * connection may have it. Use `hold` to be sure.
   */
  readonly fd: number;
  /** The kernel's number for it; undefined if it had ended before the kernel could be asked. */
  readonly cookie: bigint | undefined;
  /** Address and port, e.g. `192.168.86.41:50123`. */
  readonly peer: string;
  /** The address alone; undefined if the connection ended before it could be asked. */
  readonly address: string | undefined;
  /** The last node heard on it; undefined if none. */
  node: string | undefined;
  /**
   * Its requests that have no answer yet. A REQ socket has at most one, and so has every camera.
   */
  unanswered: number;
  /** Number of messages received whole. */
  messages: number;
  /** Bytes of these on the wire. */
  messageBytes: number;
  /**
   * At the last look: the number of messages, their bytes, and the bytes of the unfinished message.
   */
  seenMessages: number;
  seenBytes: number;
  unfinishedBytes: number;
  /** How long TCP had heard nothing from it at the last look, in milliseconds. */
  unheardMs: number;
  /** Whether the hub is closing it. */
  isClosing: boolean;
  /**
   * Whether it has ended. Another one may have its routing id, and would take a reply for the one
   * to its own request.
   */
  isGone: boolean;
}

/** Follows the connections of one socket through its monitor. */
export class Connections implements Disposable {
  /** By descriptor. */
  private readonly standing = new Map<number, Connection>();
  /** By peer, until their handshakes are finished. */
  private readonly greeting = new Map<string, Connection>();
  /** How many of them are being closed. */
  private closing = 0;
  private readonly tcp = new TcpInfo();

  constructor(
    private readonly monitor: Monitor,
    private readonly options: ConnectionsOptions,
  ) {}

  /** Number of open connections. */
  get count(): number {
    return this.standing.size - this.closing;
  }

  /**
   * The connection with this descriptor. If none is known, because it has ended already, one that
   * is not counted.
   */
  lookUp(fd: number): Connection {
    const known = this.standing.get(fd);
    if (known !== undefined) return known;
    this.update();
    return this.standing.get(fd) ?? newConnection(fd, GONE);
  }

  /** All open connections, except those being closed. */
  *all(): Generator<Connection> {
    for (const connection of this.standing.values()) if (!connection.isClosing) yield connection;
  }

  /** Handles all new events. */
  update(): void {
    for (let next = this.monitor.next(); next !== undefined; next = this.monitor.next()) {
      const { event, value, peer } = next;
      switch (event) {
        case MonitorEvent.accepted:
          this.accept(value, peer || GONE);
          break;
        case MonitorEvent.handshakeSucceeded:
          this.greeted(peer);
          break;
        case MonitorEvent.handshakeFailedNoDetail:
          this.greeted(peer);
          // A peer that first sees that only one side has CURVE ends it too.
          this.options.onFailed("it ended before its handshake was done", peer);
          break;
        case MonitorEvent.handshakeFailedProtocol:
          this.greeted(peer);
          // With CURVE, libzmq reports this. Without it, see `forget`.
          if (value === ProtocolError.invalidMetadata) this.options.onWrongType(peer);
          else
            this.options.onFailed(
              PROTOCOL_ERRORS.get(value) ?? "what it sends is not ZeroMQ",
              peer,
            );
          break;
        case MonitorEvent.handshakeFailedAuth:
          this.greeted(peer);
          this.options.debug("A connection failed in its handshake: it is not allowed");
          break;
        case MonitorEvent.disconnected:
          this.forget(value);
          break;
        default:
      }
    }
    // After all events: a descriptor may belong to another connection by now.
    while (this.count > this.options.max) this.makeRoom();
  }

  /**
   * Asks the kernel what each connection has received. If unfinished messages use too much memory
   * together, closes some: first those that have never sent a whole message, and of these the one
   * that holds the most. Call it about once a second.
   *
   * libzmq does not report a message before it is whole. So what a connection holds is what the
   * kernel has received, minus what came out of libzmq as messages.
   */
  look(): void {
    let bytes = 0;
    for (const [fd, connection] of this.standing) bytes += this.lookAt(fd, connection);
    while (bytes > this.options.unfinishedBytesMax) {
      const connection = this.worst();
      if (connection === undefined) return;
      bytes -= connection.unfinishedBytes;
      this.giveUp(connection, "unfinished");
    }
  }

  /** @returns the bytes of its unfinished message */
  private lookAt(fd: number, connection: Connection): number {
    if (connection.isClosing || !this.tcp.read(fd)) return 0;
    const { bytesReceived, unheardMs } = this.tcp;
    connection.unheardMs = unheardMs;
    let unfinished = bytesReceived - connection.messageBytes;
    // If a message was completed since the last look, only what came since then can be unfinished.
    // The rest belongs to libzmq's own commands (greeting, PING).
    const excess = unfinished - (bytesReceived - connection.seenBytes);
    const hasNew = connection.messages !== connection.seenMessages;
    const drift =
      hasNew && excess > 0 ? Math.min(excess, DRIFT_BYTES_MAX) : Math.min(unfinished, 0);
    connection.messageBytes += drift;
    unfinished -= drift;
    connection.seenBytes = bytesReceived;
    connection.seenMessages = connection.messages;
    connection.unfinishedBytes = unfinished;
    return unfinished;
  }

  /** The connection to close first for its unfinished message. */
  private worst(): Connection | undefined {
    let worst: Connection | undefined;
    for (const connection of this.all()) {
      if (connection.unfinishedBytes === 0) continue;
      const isStranger = connection.messages === 0;
      const isWorse =
        worst === undefined ||
        (isStranger === (worst.messages === 0)
          ? connection.unfinishedBytes > worst.unfinishedBytes
          : isStranger);
      if (isWorse) worst = connection;
    }
    return worst;
  }

  private accept(fd: number, peer: string): void {
    const connection = newConnection(fd, peer);
    this.standing.set(fd, connection);
    this.greeting.set(peer, connection);
    this.options.debug(`Connected: ${peer}`);
  }

  private greeted(peer: string): void {
    this.greeting.delete(peer);
  }

  /**
   * Closes a connection because there are too many. First the oldest one that has sent no more than
   * a greeting, so a silent crowd does not shut out cameras. Else the one from which TCP has heard
   * nothing for the longest, if that peer is probably gone. Else the newest.
   */
  private makeRoom(): void {
    let giving = -1;
    let unheardMs = SILENT_MS;
    let newest = -1;
    for (const [fd, connection] of this.standing) {
      if (connection.isClosing) continue;
      newest = fd;
      if (this.isIdleStranger(fd, connection)) {
        giving = fd;
        break;
      }
      if (connection.unheardMs <= unheardMs) continue;
      giving = fd;
      ({ unheardMs } = connection);
    }
    if (giving < 0) giving = newest;
    this.giveUp(this.standing.get(giving)!, "tooMany");
  }

  /**
   * Whether a peer has sent only a greeting. A camera may be sending its first image, or wait for
   * the reply to it.
   */
  private isIdleStranger(fd: number, { messages }: Connection): boolean {
    return messages === 0 && !(this.tcp.read(fd) && this.tcp.bytesReceived > GREETING_BYTES_MAX);
  }

  private giveUp(connection: Connection, reason: GivenUp): void {
    connection.isClosing = true;
    this.closing++;
    using held = hold(connection);
    if (held === undefined) return;
    held.shutdown();
    this.options.onGivenUp(connection, reason);
  }

  private forget(fd: number): void {
    const connection = this.standing.get(fd);
    this.options.debug(`Disconnected: ${connection?.peer ?? "a connection"}`);
    if (connection === undefined) return;
    connection.isGone = true;
    this.standing.delete(fd);
    const isGreeting = this.greeting.get(connection.peer) === connection;
    if (isGreeting) this.greeting.delete(connection.peer);
    if (connection.isClosing) this.closing--;
    // libzmq ends a handshake silently if the socket types do not match or a frame is malformed.
    else if (isGreeting) this.options.onWrongType(connection.peer);
    else if (connection.unheardMs > SILENT_MS) this.options.onGivenUp(connection, "silent");
  }

  [Symbol.dispose](): void {
    this.monitor[Symbol.dispose]();
  }
}

/** `192.168.86.41` of `192.168.86.41:50123`, and `fe80::1` of `[fe80::1]:50123`. */
function addressIn(peer: string): string | undefined {
  return /^\[?([^\]]+?)\]?:\d+$/.exec(peer)?.[1];
}

/** @param peer `GONE` if it has already ended, and only what it sent before is left */
function newConnection(fd: number, peer: string): Connection {
  return {
    fd,
    cookie: cookieOf(fd, peer),
    peer,
    address: addressIn(peer),
    node: undefined,
    unanswered: 0,
    messages: 0,
    messageBytes: 0,
    seenMessages: 0,
    seenBytes: 0,
    unfinishedBytes: 0,
    unheardMs: 0,
    isClosing: false,
    isGone: peer === GONE,
  };
}

/** Holds a connection, so that actions reach it and no other. @returns undefined if it has ended */
export function hold({ fd, cookie }: Connection): HeldConnection | undefined {
  return cookie === undefined ? undefined : HeldConnection.at(fd, cookie);
}
