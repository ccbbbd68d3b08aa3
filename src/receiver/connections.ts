/**
 * The connections that stand: how many they are, how many requests each has under way, and a line at debug when one comes
 * or goes.
 *
 * @module
 */

import { corkSocket, peerAddress, shutdownSocket } from "../libc.ts";
import { descriptorsMax } from "../open-files.ts";
import { type Monitor, MonitorEvent, ProtocolError } from "../zmq/libzmq.ts";

/** File descriptors that are kept for all else: the writers' files and folders, libzmq's and the runtime's own. */
const DESCRIPTORS_RESERVED = 64;

/** How many connections this process can have (RLIMIT_NOFILE) and still open files to write. At least 1. */
export function connectionsThatFit(): number {
  return Math.max(1, descriptorsMax() - DESCRIPTORS_RESERVED);
}

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
  /** Takes a line about one that came or went. */
  readonly debug: (message: string) => void;
  /** Is told of each that was closed because there are too many. */
  readonly onTooMany: (peer: string) => void;
  /** Is told why a handshake failed that nobody refused. libzmq does not say whose it was. */
  readonly onFailed: (reason: string) => void;
}

/** One connection, as long as it stands or has requests in hand. */
export interface Connection {
  /** Address and port, e.g. `192.168.86.41:50123`. */
  readonly peer: string;
  /** The address alone; undefined where the connection went before it could be asked for. */
  readonly address: string | undefined;
  /** Requests taken in from it that have no answer yet. A REQ socket, and so every camera, has one at most. */
  unanswered: number;
  /** Whether a request has come on it. */
  hasSent: boolean;
  /** Whether the hub is closing it. */
  isClosing: boolean;
  /** Whether it has ended. Another may bear its routing id by now, and would take a reply for the one to its own request. */
  isGone: boolean;
}

/** Follows the connections of one socket through its monitor. */
export class Connections implements Disposable {
  /** By their descriptors. */
  private readonly standing = new Map<number, Connection>();
  /** How many of them are being closed. */
  private closing = 0;

  constructor(
    private readonly monitor: Monitor,
    private readonly options: ConnectionsOptions,
  ) {}

  /** How many stand now. */
  get count(): number {
    return this.standing.size - this.closing;
  }

  /** The connection at this descriptor; where none is known, as it has gone already, one that is not counted. */
  at(fd: number): Connection {
    const known = this.standing.get(fd);
    if (known !== undefined) return known;
    this.update();
    return this.standing.get(fd) ?? newConnection(GONE, undefined, true);
  }

  /** From now on what is sent to those that stand leaves together with the end of the connection, in one packet. */
  cork(): void {
    this.update();
    for (const fd of this.standing.keys()) corkSocket(fd);
  }

  /** Takes in what has happened since. */
  update(): void {
    for (let next = this.monitor.next(); next !== undefined; next = this.monitor.next()) {
      const { event, value } = next;
      switch (event) {
        case MonitorEvent.accepted:
          this.accept(value);
          break;
        case MonitorEvent.handshakeFailedNoDetail:
          // A peer that sees first that only one side has CURVE ends it, too.
          this.options.onFailed("it ended before its handshake was done");
          break;
        case MonitorEvent.handshakeFailedProtocol:
          this.options.onFailed(PROTOCOL_ERRORS.get(value) ?? "what it sends is not ZeroMQ");
          break;
        case MonitorEvent.handshakeFailedAuth:
          this.options.debug("A connection failed in its handshake: it is not allowed");
          break;
        case MonitorEvent.disconnected:
          this.forget(value);
          break;
        default:
      }
    }
  }

  private accept(fd: number): void {
    const peer = peerAddress(fd) ?? GONE;
    this.standing.set(fd, newConnection(peer, addressIn(peer), false));
    this.options.debug(`Connected: ${peer}`);
    if (this.count > this.options.max) this.makeRoom(fd);
  }

  /**
   * Closes a connection, as there are too many: the one that has stood the longest and has never sent anything, so that a
   * crowd that keeps silent shuts out no camera; where all others have sent, the new one.
   */
  private makeRoom(newFd: number): void {
    let giving = newFd;
    for (const [fd, { hasSent, isClosing }] of this.standing) {
      if (hasSent || isClosing) continue;
      giving = fd;
      break;
    }
    const connection = this.standing.get(giving)!;
    connection.isClosing = true;
    this.closing++;
    shutdownSocket(giving);
    this.options.onTooMany(connection.peer);
  }

  private forget(fd: number): void {
    const connection = this.standing.get(fd);
    if (connection !== undefined) connection.isGone = true;
    if (connection?.isClosing === true) this.closing--;
    this.standing.delete(fd);
    this.options.debug(`Disconnected: ${connection?.peer ?? "a connection"}`);
  }

  [Symbol.dispose](): void {
    this.monitor[Symbol.dispose]();
  }
}

/** `192.168.86.41` of `192.168.86.41:50123`, and `fe80::1` of `[fe80::1]:50123`. */
function addressIn(peer: string): string | undefined {
  return /^\[?([^\]]+?)\]?:\d+$/.exec(peer)?.[1];
}

function newConnection(peer: string, address: string | undefined, isGone: boolean): Connection {
  return { peer, address, unanswered: 0, hasSent: false, isClosing: false, isGone };
}
