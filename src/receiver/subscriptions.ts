/**
 * The publishers that the hub listens to: cameras that bind a PUB socket, imagezmq's other mode.
 * The hub connects a SUB socket to each, and keeps what comes as it keeps requests.
 *
 * A PUB socket never waits, so nobody can be answered, and what finds no place is lost. That is
 * counted and said.
 *
 * The sockets have a context of their own: names are looked up in its I/O thread, and a DNS server
 * that does not answer holds up no camera.
 *
 * @module
 */

import { publishersIn, type Settings } from "../config/schema.ts";
import { readKeyPair } from "../zmq/certificate.ts";
import { newKeyPair } from "../zmq/library.ts";
import { Monitor, MonitorEvent } from "../zmq/monitor.ts";
import { Context, type Socket, SocketOption, SocketType, TextOption } from "../zmq/socket.ts";

/**
 * How soon a publisher that is not there is tried again, and how much later at most when it stays
 * away, in milliseconds.
 */
const RECONNECT_MS = 1000;
const RECONNECT_MS_MAX = 30_000;

/**
 * How soon it is connected anew when a handshake has failed or a publisher was lost, in
 * milliseconds: libzmq itself gives some up for good.
 */
const HANDSHAKE_RETRY_MS = 10_000;

/**
 * TCP's questions whether a publisher is still there: after so many seconds, every so many, so many
 * times. A SUB socket sends nothing by itself, so without them one that lost its power would never
 * be missed.
 */
const KEEPALIVE_S = 30;
const KEEPALIVE_PROBES = 10;

/** What has happened to a publisher. */
export type PublisherChange = "connected" | "lost" | "unreachable" | "failed";

/** One publisher. */
export class Publisher {
  readonly socket: Socket;
  readonly monitor: Monitor;
  isConnected = false;
  /** What was said of it last. */
  private told: PublisherChange | undefined;
  /** When its handshake is tried again, in milliseconds of `performance.now`. */
  private retryMs = Number.POSITIVE_INFINITY;

  /**
   * @param endpoint e.g. `tcp://192.168.86.41:5566`; a name need not resolve yet
   * @param serverKey its public key in Z85; empty: no CURVE
   * @param ownKeys of the hub; undefined: new ones
   * @throws {ZmqError}
   */
  constructor(
    context: Context,
    readonly endpoint: string,
    serverKey: string,
    ownKeys: { publicKey: string; secretKey: string } | undefined,
    settings: Settings,
  ) {
    this.socket = context.socket(SocketType.sub);
    // It waits for no answer, so one that is too long is cut off.
    this.socket.maxMessageSize = settings.max_message_bytes;
    for (const [option, value] of [
      [SocketOption.linger, 0],
      [SocketOption.receiveHwm, settings.receive_hwm],
      // An address of IPv6 needs it; a name may have one that leads nowhere.
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

  /** Takes in what has happened since. @param onChange is told of what a person may want to know */
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
        // Where it has broken the protocol, libzmq does not connect again by itself.
        this.retryMs = nowMs + HANDSHAKE_RETRY_MS;
        return this.tellOnce("lost");
      case MonitorEvent.handshakeFailedNoDetail:
      case MonitorEvent.handshakeFailedProtocol:
      case MonitorEvent.handshakeFailedAuth:
        return this.failed(nowMs);
      case MonitorEvent.connectRetried:
        // Also behind a loss, or a handshake that failed: then more has been said.
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
   * @returns undefined where there are none @throws {Error} where the hub's keys cannot be read,
   * and {ZmqError}
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

  /** For a poller. */
  get descriptors(): number[] {
    return this.publishers.flatMap(({ socket, monitor }) => [
      socket.descriptor,
      monitor.socket.descriptor,
    ]);
  }

  /** How many are connected. */
  get connected(): number {
    return this.publishers.filter(({ isConnected }) => isConnected).length;
  }

  /** Takes in what has happened to them since. To be called about once a second. */
  update(nowMs: number, onChange: (publisher: Publisher, change: PublisherChange) => void): void {
    for (const publisher of this.publishers) publisher.update(nowMs, onChange);
  }
}
