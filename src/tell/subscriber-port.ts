/**
 * A port that subscribers connect to, and those who are there. Strangers may connect, too, so all
 * that they can use up has a bound.
 *
 * @module
 */

import { SUBSCRIBERS_MAX } from "../limits.ts";
import { cookieOf, HeldConnection, TcpInfo } from "../os/sockets.ts";
import { Gatekeeper, type GatekeeperSettings } from "../receiver/gatekeeper.ts";
import { MessageArray } from "../zmq/message.ts";
import { Monitor, MonitorEvent } from "../zmq/monitor.ts";
import { type Context, type Socket, SocketOption, SocketType } from "../zmq/socket.ts";

/**
 * Most messages that libzmq holds for one subscriber that is slow. Beyond this, they are dropped
 * for that one. Its own queue and TCP's come on top.
 */
const SEND_HWM = 100;

/** Longest message from a subscriber, in bytes. The handshake of CURVE takes some 300. */
const MESSAGE_BYTES_MAX = 512;

/**
 * Most beginnings of names that all subscribers together may want, and most bytes of them. libzmq
 * takes some 50 bytes for each of these.
 */
const WISHES_MAX = 2000;
const WISH_BYTES_MAX = 131_072;

/**
 * Most messages of one subscriber that libzmq takes in ahead. It works through all of them at once,
 * and while more comes, it does not stop.
 */
const RECEIVE_HWM = 10;

/** Most messages of subscribers that are looked at in a row. */
const MESSAGES_MAX = 2000;

/** How long libzmq takes to forget what a subscriber wanted that was closed, in milliseconds. */
const FORGET_MS = 1000;

const BACKLOG = 64;

/** The settings for a port. */
export type PortSettings = GatekeeperSettings & { readonly handshake_timeout: number };

/** What the first byte of a message from a subscriber says: it wants something more, or less. */
const SIGNS: ReadonlyMap<number, number> = new Map([
  [1, 1],
  [0, -1],
]);

/** A bound port. */
export class SubscriberPort implements Disposable {
  readonly socket: Socket;
  private readonly gatekeeper: Gatekeeper;
  private readonly monitor: Monitor;
  private readonly received = new MessageArray(1).at(0);
  /** The addresses of all connections by their descriptors. */
  private readonly connections = new Map<number, string>();
  /** The addresses of those whose handshake is over. */
  private readonly subscribers = new Set<string>();
  private wishes = 0;
  private wishBytes = 0;
  /** Messages that make no sense. */
  private nonsense = 0;
  /** When a subscriber was last closed that wanted too much. */
  private expelledMs = Number.NEGATIVE_INFINITY;
  private readonly info = new TcpInfo();

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
      [SocketOption.receiveHwm, RECEIVE_HWM],
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

  /** Whether subscribers want too much. */
  private get isFlooded(): boolean {
    return (
      this.wishes > WISHES_MAX || this.wishBytes > WISH_BYTES_MAX || this.nonsense > WISHES_MAX
    );
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
    for (let count = 0; count < MESSAGES_MAX; count++) {
      if (!this.socket.tryReceive(this.received)) break;
      const { size, firstByte } = this.received;
      const sign = size === 0 ? undefined : SIGNS.get(firstByte);
      if (sign === undefined) this.nonsense++;
      else {
        this.wishes += sign;
        this.wishBytes += sign * (size - 1);
      }
    }
    if (this.isFlooded && performance.now() - this.expelledMs > FORGET_MS) this.expel();
  }

  /** Closes the connection that has sent most. */
  private expel(): void {
    let most = { fd: -1, peer: "", bytes: -1 };
    for (const [fd, peer] of this.connections)
      if (this.info.read(fd) && this.info.bytesReceived > most.bytes)
        most = { fd, peer, bytes: this.info.bytesReceived };
    this.expelledMs = performance.now();
    this.nonsense = 0;
    this.close(most.fd, most.peer, "it wants too many cameras");
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
    this.connections.set(fd, peer);
    if (this.connections.size > SUBSCRIBERS_MAX)
      this.close(fd, peer, `there are ${SUBSCRIBERS_MAX} already`);
  }

  private close(fd: number, peer: string, reason: string): void {
    const cookie = cookieOf(fd, peer);
    if (cookie === undefined) return;
    using held = HeldConnection.at(fd, cookie);
    held?.shutdown();
    this.onRefused(reason, peer);
  }

  [Symbol.dispose](): void {
    for (const each of [this.monitor, this.socket, this.gatekeeper]) each[Symbol.dispose]();
  }
}
