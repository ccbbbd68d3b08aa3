/**
 * The connections that stand: how many they are, and a line at debug when one comes or goes.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { peerAddress, shutdownSocket } from "../libc.ts";
import { type Monitor, MonitorEvent } from "../zmq/libzmq.ts";

/** File descriptors that are kept for all else: the writers' files and folders, libzmq's and the runtime's own. */
const DESCRIPTORS_RESERVED = 64;

/** How many connections this process can have (RLIMIT_NOFILE) and still open files to write. At least 1. */
export function connectionsThatFit(): number {
  const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Number(limit) - DESCRIPTORS_RESERVED);
}

/** What is done about connections. */
export interface ConnectionsOptions {
  /** How many may stand at once; libzmq has no bound of its own. */
  readonly max: number;
  /** Takes a line about one that came or went. */
  readonly debug: (message: string) => void;
  /** Is told of each that was closed because there are too many. */
  readonly onTooMany: (peer: string) => void;
}

/** Follows the connections of one socket through its monitor. */
export class Connections implements Disposable {
  /** Where each connection is from, by its descriptor. */
  private readonly peers = new Map<number, string>();

  constructor(
    private readonly monitor: Monitor,
    private readonly options: ConnectionsOptions,
  ) {}

  /** How many stand now. */
  get count(): number {
    return this.peers.size;
  }

  /** Takes in what has happened since. */
  update(): void {
    for (let next = this.monitor.next(); next !== undefined; next = this.monitor.next()) {
      const { event, value: fd } = next;
      switch (event) {
        case MonitorEvent.accepted: {
          const peer = peerAddress(fd) ?? "an address that is gone already";
          this.peers.set(fd, peer);
          if (this.peers.size > this.options.max) {
            shutdownSocket(fd);
            this.options.onTooMany(peer);
          }
          this.options.debug(`Connected: ${peer}`);
          break;
        }
        case MonitorEvent.handshakeFailedNoDetail:
          this.options.debug("A connection ended before its handshake was done");
          break;
        case MonitorEvent.handshakeFailedProtocol:
          this.options.debug("A connection failed in its handshake: what it sends is not ZeroMQ");
          break;
        case MonitorEvent.handshakeFailedAuth:
          this.options.debug("A connection failed in its handshake: it is not allowed");
          break;
        case MonitorEvent.disconnected:
          this.options.debug(`Disconnected: ${this.peers.get(fd) ?? "a connection"}`);
          this.peers.delete(fd);
          break;
        default:
      }
    }
  }

  [Symbol.dispose](): void {
    this.monitor[Symbol.dispose]();
  }
}
