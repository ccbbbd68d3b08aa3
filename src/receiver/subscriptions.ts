/**
 * The publishers that the hub listens to: cameras that bind a PUB socket, imagezmq's other mode.
 * The hub connects a SUB socket to each, and stores what it sends like requests.
 *
 * A PUB socket never waits. So nobody can be answered, and a message that finds no room is lost.
 * That is counted and logged.
 *
 * The sockets have their own context: names are looked up in its I/O thread, so a DNS server that
 * does not answer delays no camera.
 *
 * @module
 */

import { publishersIn, type Settings } from "../config/schema.ts";
import { readKeyPair } from "../zmq/certificate.ts";
import { newKeyPair } from "../zmq/library.ts";
import { Monitor, MonitorEvent } from "../zmq/monitor.ts";
import { Context, type Socket, SocketOption, SocketType, TextOption } from "../zmq/socket.ts";

/**
 * How soon to retry a publisher that is not there, and the maximum delay if it stays away, in
 * milliseconds.
 */
const RECONNECT_MS = 1000;
const RECONNECT_MS_MAX = 30_000;

/**
 * How soon to reconnect after a failed handshake or a lost publisher, in milliseconds. libzmq
 * itself gives up some of them for good.
 */
const HANDSHAKE_RETRY_MS = 10_000;

/**
 * TCP probes for silent publishers: seconds before the first, seconds between, and their number. A
 * SUB socket sends nothing by itself, so without probes the loss of a publisher's power would never
 * be noticed.
 */
const KEEPALIVE_S = 30;
const KEEPALIVE_PROBES = 10;

/** An event of a publisher. */
export type PublisherChange = "connected" | "lost" | "unreachable" | "failed";

/** One publisher. */
export class Publisher {
  readonly socket: Socket;
  readonly monitor: Monitor;
  isConnected = false;
  /** The last thing that was logged about it. */
  private told: PublisherChange | undefined;
  /** When to retry its handshake; by `performance.now`, in milliseconds. */
  private retryMs = Number.POSITIVE_INFINITY;

  /**
   * @param endpoint e.g. `tcp://192.168.86.41:5566`; a name need not resolve yet
   * @param serverKey its public key in Z85; empty for no CURVE
   * @param ownKeys of the hub; undefined for new ones
   * @throws {ZmqError} if the socket cannot be made
   */
  constructor(
    context: Context,
    readonly endpoint: string,
    serverKey: string,
    ownKeys: { publicKey: string; secretKey: string } | undefined,
    settings: Settings,
  ) {
    this.socket = context.socket(SocketType.sub);
    // It waits for no answer, so a message that is too long may end its connection.
    this.socket.maxMessageSize = settings.max_message_bytes;
    for (const [option, value] of [
      [SocketOption.linger, 0],
      [SocketOption.receiveHwm, settings.receive_hwm],
      // An IPv6 address needs this. A name may have an IPv6 address that leads nowhere.
      [SocketOption.ipv6, endpoint.includes("[") ? 1 : 0],
      [SocketOption.reconnectIvl, RECONNECT_MS],
      [SocketOption.reconnectIvlMax, RECONNECT_MS_MAX],
      [SocketOption.tcpKeepalive, 1],
      [SocketOption.tcpKeepaliveIdle, KEEPALIVE_S],
      [SocketOption.tcpKeepaliveIntvl, KEEPALIVE_S],
      [SocketOption.tcpKeepaliveCnt, KEEPALIVE_PROBES],
    ] as const) {
      this.socket.set(option, value);
    }
    if (serverKey !== "") {
      const { publicKey, secretKey } = ownKeys ?? newKeyPair();
      this.socket.setText(TextOption.curveServerKey, serverKey);
      this.socket.setText(TextOption.curvePublicKey, publicKey);
      this.socket.setText(TextOption.curveSecretKey, secretKey);
    }
    this.socket.setText(TextOption.subscribe, "");
    this.monitor = new Monitor(this.socket);
    this.socket.connect(endpoint);
  }

  /** Handles all new events. @param onChange called with what a person may want to know */
  update(nowMs: number, onChange: (publisher: Publisher, change: PublisherChange) => void): void {
    for (let next = this.monitor.next(); next !== undefined; next = this.monitor.next()) {
      const change = this.changeBy(next.event, nowMs);
      if (change === undefined) continue;
      onChange(this, change);
    }
    if (nowMs < this.retryMs) return;
    this.retryMs = Number.POSITIVE_INFINITY;
    this.socket.disconnect(this.endpoint);
    this.socket.connect(this.endpoint);
  }

  private changeBy(event: number, nowMs: number): PublisherChange | undefined {
    switch (event) {
      case MonitorEvent.handshakeSucceeded:
        this.isConnected = true;
        this.retryMs = Number.POSITIVE_INFINITY;
        return this.tellOnce("connected");
      case MonitorEvent.disconnected:
        if (!this.isConnected) return this.failed(nowMs);
        this.isConnected = false;
        // If it has broken the protocol, libzmq does not reconnect by itself.
        this.retryMs = nowMs + HANDSHAKE_RETRY_MS;
        return this.tellOnce("lost");
      case MonitorEvent.handshakeFailedNoDetail:
      case MonitorEvent.handshakeFailedProtocol:
      case MonitorEvent.handshakeFailedAuth:
        return this.failed(nowMs);
      case MonitorEvent.connectRetried:
        // Also after a loss or a failed handshake, for which more was logged.
        return this.told === undefined ? this.tellOnce("unreachable") : undefined;
      default:
        return undefined;
    }
  }

  private failed(nowMs: number): PublisherChange | undefined {
    this.retryMs = nowMs + HANDSHAKE_RETRY_MS;
    return this.tellOnce("failed");
  }

  private tellOnce(change: PublisherChange): PublisherChange | undefined {
    if (this.told === change) return undefined;
    this.told = change;
    return change;
  }
}

/**
 * All publishers of one hub. They belong to the receiver's thread, and are closed with the process:
 * see `Receiver.unsubscribe`.
 */
export class Subscriptions {
  readonly publishers: readonly Publisher[];
  private readonly context = new Context();

  /**
   * @returns undefined if there are none
   * @throws {Error} if the hub's keys cannot be read, and {ZmqError}
   */
  static open(settings: Settings): Subscriptions | undefined {
    return settings.subscribe.length === 0 ? undefined : new Subscriptions(settings);
  }

  private constructor(settings: Settings) {
    const { server_key: file } = settings.curve;
    const keys = file === "" ? undefined : readKeyPair(file);
    this.publishers = publishersIn(settings).map(
      ({ connect, server_key: serverKey }) =>
        new Publisher(this.context, connect, serverKey, keys, settings),
    );
  }

  /** To be polled. */
  get descriptors(): number[] {
    return this.publishers.flatMap(({ socket, monitor }) => [
      socket.descriptor,
      monitor.socket.descriptor,
    ]);
  }

  /** Number of connected publishers. */
  get connected(): number {
    return this.publishers.filter(({ isConnected }) => isConnected).length;
  }

  /** Handles all new events. Call it about once a second. */
  update(nowMs: number, onChange: (publisher: Publisher, change: PublisherChange) => void): void {
    for (const publisher of this.publishers) publisher.update(nowMs, onChange);
  }
}
