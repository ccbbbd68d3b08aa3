/**
 * A port that subscribers connect to, and those who are there. Strangers may connect, too, so all
 * that they can use up has a bound.
 *
 * @module
 */

import { SUBSCRIBERS_MAX } from "../limits.ts";
import { cookieOf, HeldConnection } from "../os/sockets.ts";
import { Gatekeeper, type GatekeeperSettings } from "../receiver/gatekeeper.ts";
import { MessageArray } from "../zmq/message.ts";
import { Monitor, MonitorEvent } from "../zmq/monitor.ts";
import { type Context, type Socket, SocketOption, SocketType } from "../zmq/socket.ts";

/**
 * Most messages that libzmq holds for one subscriber that is slow. Beyond this, they are dropped
 * for that one. Its own queue and TCP's come on top.
 */
const SEND_HWM = 100;

/** Longest message from a subscriber, in bytes: the beginning of names that it wants. */
const MESSAGE_BYTES_MAX = 512;

/** Most beginnings of names that all subscribers together may want: each takes memory. */
const WISHES_MAX = 10_000;

const BACKLOG = 64;

/** The settings for a port. */
export type PortSettings = GatekeeperSettings & { readonly handshake_timeout: number };

/** A bound port. */
export class SubscriberPort implements Disposable {
  readonly socket: Socket;
  private readonly gatekeeper: Gatekeeper;
  private readonly monitor: Monitor;
  private readonly received = new MessageArray(1).at(0);
  /** Descriptors of all connections. */
  private readonly connections = new Set<number>();
  /** The addresses of those whose handshake is over. */
  private readonly subscribers = new Set<string>();
  private wishes = 0;

  /**
   * Binds it.
   *
   * @param onRefused called with the reason why somebody was refused or closed, and its address
   * @throws {Error} if a key cannot be read, and {ZmqError}
   */
  constructor(
    context: Context,
    endpoint: string,
    settings: PortSettings,
    private readonly onRefused: (reason: string, from: string) => void,
  ) {
    using made = new DisposableStack();
    this.socket = made.use(context.socket(SocketType.xpub));
    // With each socket anew: it tells the socket whom to ask.
    this.gatekeeper = made.use(
      new Gatekeeper(context, this.socket, settings, ({ address }, { reason }) =>
        onRefused(reason, address),
      ),
    );
    this.socket.maxMessageSize = MESSAGE_BYTES_MAX;
    for (const [option, value] of [
      [SocketOption.linger, 0],
      [SocketOption.sendHwm, SEND_HWM],
      [SocketOption.backlog, BACKLOG],
      [SocketOption.handshakeIvl, settings.handshake_timeout * 1000],
      [SocketOption.tcpKeepalive, 1],
      [SocketOption.ipv6, /[*[]/.test(endpoint) ? 1 : 0],
    ] as const)
      this.socket.set(option, value);
    this.socket.bind(endpoint);
    this.monitor = new Monitor(this.socket);
    made.move();
  }

  /** How many subscribers there are. */
  get count(): number {
    return this.subscribers.size;
  }

  /** Whether subscribers want so much that the port should be made anew. */
  get isFlooded(): boolean {
    return this.wishes > WISHES_MAX;
  }

  /** Reads the keys of clients again. @throws {Error} if one cannot be read */
  reload(): void {
    this.gatekeeper.reload();
  }

  /** Sees to what has happened. Call it often: handshakes wait for it. */
  update(): void {
    this.gatekeeper.authenticator.update();
    for (let next = this.monitor.next(); next !== undefined; next = this.monitor.next()) {
      const { event, value, peer } = next;
      if (event === MonitorEvent.accepted) this.accept(value, peer);
      else if (event === MonitorEvent.handshakeSucceeded) this.subscribers.add(peer);
      else if (event === MonitorEvent.disconnected) {
        this.connections.delete(value);
        this.subscribers.delete(peer);
      }
    }
    // libzmq itself knows who wants what, but it keeps these until they are received.
    while (this.socket.tryReceive(this.received)) {
      if (this.received.size === 0) continue;
      this.wishes += this.received.firstByte === 1 ? 1 : -1;
    }
  }

  /** Sends a message to all who want it. @returns false if it misses some who are too slow */
  send(frames: readonly [Uint8Array, ...Uint8Array[]]): boolean {
    const { socket } = this;
    const [first, ...rest] = frames;
    // First as if nobody may miss it, which shows whether somebody will.
    socket.set(SocketOption.xpubNodrop, 1);
    const isForAll = socket.trySend(first, true);
    socket.set(SocketOption.xpubNodrop, 0);
    if (!isForAll) socket.send(first, true);
    for (const [at, frame] of rest.entries()) socket.send(frame, at < rest.length - 1);
    return isForAll;
  }

  /** What was sent last may still leave the machine, for so long. */
  linger(ms: number): void {
    this.socket.set(SocketOption.linger, Math.ceil(ms));
  }

  private accept(fd: number, peer: string): void {
    this.connections.add(fd);
    if (this.connections.size <= SUBSCRIBERS_MAX) return;
    const cookie = cookieOf(fd, peer);
    if (cookie === undefined) return;
    using held = HeldConnection.at(fd, cookie);
    held?.shutdown();
    this.onRefused(`there are ${SUBSCRIBERS_MAX} already`, peer);
  }

  [Symbol.dispose](): void {
    for (const each of [this.monitor, this.socket, this.gatekeeper]) each[Symbol.dispose]();
  }
}
