/**
 * The connections that stand: how many they are, and a line at debug when one comes or goes.
 *
 * @module
 */

import { peerAddress } from "../libc.ts";
import { type Monitor, MonitorEvent } from "../zmq/libzmq.ts";

/** Follows the connections of one socket through its monitor. */
export class Connections implements Disposable {
  /** Where each connection is from, by its descriptor. */
  private readonly peers = new Map<number, string>();

  constructor(
    private readonly monitor: Monitor,
    private readonly debug: (message: string) => void,
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
          this.debug(`Connected: ${peer}`);
          break;
        }
        case MonitorEvent.handshakeFailedNoDetail:
          this.debug("A connection ended before its handshake was done");
          break;
        case MonitorEvent.handshakeFailedProtocol:
          this.debug("A connection failed in its handshake: what it sends is not ZeroMQ");
          break;
        case MonitorEvent.handshakeFailedAuth:
          this.debug("A connection failed in its handshake: it is not allowed");
          break;
        case MonitorEvent.disconnected:
          this.debug(`Disconnected: ${this.peers.get(fd) ?? "a connection"}`);
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
