/**
 * The connections that stand: how many they are, how many requests each has under way, and which of
 * them are given up.
 *
 * A camera whose connection ends while it waits for a reply never sends again (REQ of ZeroMQ), so a
 * connection is given up for two reasons alone: there are too many, or too much memory is held by
 * messages that are not whole. No clock ends one: that is left to TCP.
 *
 * @module
 */

import { cookieOf, HeldConnection, TcpInfo } from "../os/sockets.ts";
import { type Monitor, MonitorEvent, ProtocolError } from "../zmq/monitor.ts";

/**
 * For how long TCP has heard nothing from a peer that is probably gone, in milliseconds: two of its
 * probes have had no answer.
 */
const SILENT_MS = 150_000;

/**
 * What was counted of a connection may be off by what libzmq itself receives, such as PINGs. So
 * many bytes of that are forgiven at most when a message has come whole; more may be whole messages
 * that wait in libzmq.
 */
const DRIFT_BYTES_MAX = 2 ** 20;

/** A peer that has sent no more than this, in bytes, has greeted at most. */
const GREETING_BYTES_MAX = 1024;

/** In place of the address of a connection that went before it could be asked for. */
const GONE = "an address that is gone already";

const PROTOCOL_ERRORS = new Map<number, string>([
  [ProtocolError.cryptographic, "its keys do not fit those of the hub"],
  [ProtocolError.mechanismMismatch, "only one side has CURVE"],
]);

/** What is done about connections. */
export interface ConnectionsOptions {
  /** How many may stand at once; libzmq has no bound of its own. */
  readonly max: number;
  /**
   * Bytes that messages which have not come whole may hold in memory, of all connections together.
   */
  readonly unfinishedBytesMax: number;
  /** Takes a line about one that came or went. */
  readonly debug: (message: string) => void;
  /** Is told of each that the hub closes, or that TCP has given up. */
  readonly onGivenUp: (connection: Connection, reason: GivenUp) => void;
  /** Is told why a handshake failed that nobody refused, and whose it was. */
  readonly onFailed: (reason: string, peer: string) => void;
  /**
   * Is told of a peer whose type of socket cannot talk to this one, such as PUB. libzmq says
   * nothing of it, nor of a peer that greets with some kinds of nonsense, so that may be such a
   * one.
   */
  readonly onWrongType: (peer: string) => void;
}

/** Why a connection was given up. */
export type GivenUp = "tooMany" | "unfinished" | "silent";

/** One connection, as long as it stands or has requests in hand. */
export interface Connection {
  /**
   * Where it is, or was: the monitor tells later that it has ended, and by then another may be
   * there. `hold` knows.
   */
  readonly fd: number;
  /** What the kernel knows it by; undefined where it had ended before that could be asked. */
  readonly cookie: bigint | undefined;
  /** Address and port, e.g. `192.168.86.41:50123`. */
  readonly peer: string;
  /** The address alone; undefined where the connection went before it could be asked for. */
  readonly address: string | undefined;
  /** The node that was heard on it last; undefined where none was. */
  node: string | undefined;
  /**
   * Requests taken in from it that have no answer yet. A REQ socket, and so every camera, has one
   * at most.
   */
  unanswered: number;
  /** Messages that have come on it whole. */
  messages: number;
  /** Bytes that these took on the wire. */
  messageBytes: number;
  /**
   * What the last look at it has found: messages then, bytes then, bytes of the message that is not
   * whole yet.
   */
  seenMessages: number;
  seenBytes: number;
  unfinishedBytes: number;
  /** For how long TCP had heard nothing from it then, in milliseconds. */
  unheardMs: number;
  /** Whether the hub is closing it. */
  isClosing: boolean;
  /**
   * Whether it has ended. Another may bear its routing id by now, and would take a reply for the
   * one to its own request.
   */
  isGone: boolean;
}

/** Follows the connections of one socket through its monitor. */
export class Connections implements Disposable {
  /** By their descriptors. */
  private readonly standing = new Map<number, Connection>();
  /** The same by their peers, until their handshakes are over. */
  private readonly greeting = new Map<string, Connection>();
  /** How many of them are being closed. */
  private closing = 0;
  private readonly tcp = new TcpInfo();

  constructor(
    private readonly monitor: Monitor,
    private readonly options: ConnectionsOptions,
  ) {}

  /** How many stand now. */
  get count(): number {
    return this.standing.size - this.closing;
  }

  /**
   * The connection at this descriptor; where none is known, as it has gone already, one that is not
   * counted.
   */
  lookUp(fd: number): Connection {
    const known = this.standing.get(fd);
    if (known !== undefined) return known;
    this.update();
    return this.standing.get(fd) ?? newConnection(fd, GONE);
  }

  /** All that stand, but for those that are being closed. */
  *all(): Generator<Connection> {
    for (const connection of this.standing.values()) if (!connection.isClosing) yield connection;
  }

  /** Takes in what has happened since. */
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
          // A peer that sees first that only one side has CURVE ends it, too.
          this.options.onFailed("it ended before its handshake was done", peer);
          break;
        case MonitorEvent.handshakeFailedProtocol:
          this.greeted(peer);
          // With CURVE it is said so, without it not: see `forget`.
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
    // Behind all that has happened: a descriptor may have become another's meanwhile.
    while (this.count > this.options.max) this.makeRoom();
  }

  /**
   * Asks the kernel what has come on each connection, and closes some where messages that are not
   * whole hold too much memory together: first those that have never sent a whole one, and of these
   * the one that holds the most. To be called about once a second.
   *
   * libzmq says nothing of a message until it is whole. What the kernel has received, less what
   * came out of libzmq as messages, is what it holds.
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

  /** @returns the bytes that its unfinished message holds */
  private lookAt(fd: number, connection: Connection): number {
    if (connection.isClosing || !this.tcp.read(fd)) return 0;
    const { bytesReceived, unheardMs } = this.tcp;
    connection.unheardMs = unheardMs;
    let unfinished = bytesReceived - connection.messageBytes;
    // Where a message has been whole since the last look, only what has come since then can be
    // unfinished. The rest is what libzmq's own commands took (greeting, PING).
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

  /** The connection that is to go first for its unfinished message. */
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
   * Closes a connection, as there are too many: the one that has stood the longest and has sent no
   * more than a greeting, so that a crowd that keeps silent shuts out no camera; else the one that
   * TCP has heard nothing from for the longest, when that is as good as gone; else the newest.
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
   * Whether a peer has sent nothing but a greeting. A camera may be sending its first image, or
   * wait for the reply to it.
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
    // libzmq ends a handshake without a word where the types of the sockets do not go together, or
    // a frame makes no sense.
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

/** @param peer `GONE` where it has ended already, and only what had come on it before is left */
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

/**
 * Keeps a connection at hand, to do something to it and to no other. @returns undefined where it
 * has ended
 */
export function hold({ fd, cookie }: Connection): HeldConnection | undefined {
  return cookie === undefined ? undefined : HeldConnection.at(fd, cookie);
}
