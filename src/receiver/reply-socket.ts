/**
 * A REP socket that can have many requests in hand at once: a ROUTER that keeps each request's envelope beside its frames
 * until it is answered.
 *
 * libzmq's own REP answers one request before it receives the next, and drops the next client's reply when a peer
 * that sent no delimiter goes away. Envelopes are checked here, and a request without one is answered all the same.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import {
  type Context,
  type Message,
  MessageArray,
  type Socket,
  SocketOption,
  SocketType,
} from "../zmq/libzmq.ts";

/** Longest frame 1, in bytes. */
const HEADER_BYTES_MAX = 64 * 1024;

/** Most frames between the routing id and the empty delimiter: one for each proxy on the way. */
const HOPS_MAX = 8;

/** TCP's own questions whether a silent peer is still there: after so many seconds, every so many, so many times. */
const KEEPALIVE_IDLE_S = 60;
const KEEPALIVE_INTERVAL_S = 15;
const KEEPALIVE_PROBES = 4;

/** Connections that may wait to be accepted; the kernel's own bound (net.core.somaxconn) is 4096. */
const BACKLOG = 1024;

const EMPTY = new Uint8Array(0);

/** Where the reply to a request goes: the frames that stand before it. */
export type Envelope = readonly Uint8Array[];

/** Messages of a request that is in hand: the routing id of its sender, and frame 2. */
const MESSAGES_PER_PLACE = 2;
const ROUTING_ID = 0;
const PAYLOAD = 1;

/** The settings that bound the socket. */
export type SocketSettings = Pick<
  Settings,
  | "max_message_bytes"
  | "linger"
  | "receive_hwm"
  | "handshake_timeout"
  | "heartbeat_interval"
  | "heartbeat_timeout"
>;

/** The socket that faces the senders. A request in hand has a place, a number that the caller chooses. */
export class ReplySocket implements Disposable {
  /** For a poller. */
  readonly socket: Socket;
  /** Begins with frame 1 of the request that was received last. */
  readonly header = Buffer.alloc(HEADER_BYTES_MAX);
  /** How long that is, in bytes. */
  headerLength = 0;
  /** Why there is none, where the frames are not two, or it is too long. */
  malformed: string | undefined;
  private readonly messages: MessageArray;
  private readonly scratch = new MessageArray(1);
  /** Frames from the routing id to the delimiter, for the few requests that have any; by place. */
  private readonly hops = new Map<number, readonly Uint8Array[]>();

  /**
   * @param places requests that can be in hand at once
   * @param settings the bounds of the network, which are put on the socket
   */
  constructor(context: Context, places: number, settings: SocketSettings) {
    this.messages = new MessageArray(places * MESSAGES_PER_PLACE);
    this.socket = context.socket(SocketType.router);
    this.socket.maxMessageSize = settings.max_message_bytes;
    for (const [option, value] of [
      [SocketOption.linger, settings.linger * 1000],
      [SocketOption.receiveHwm, settings.receive_hwm],
      [SocketOption.backlog, BACKLOG],
      [SocketOption.handshakeIvl, settings.handshake_timeout * 1000],
      [SocketOption.heartbeatIvl, settings.heartbeat_interval * 1000],
      [SocketOption.heartbeatTimeout, settings.heartbeat_timeout * 1000],
      [SocketOption.tcpKeepalive, 1],
      [SocketOption.tcpKeepaliveIdle, KEEPALIVE_IDLE_S],
      [SocketOption.tcpKeepaliveIntvl, KEEPALIVE_INTERVAL_S],
      [SocketOption.tcpKeepaliveCnt, KEEPALIVE_PROBES],
    ] as const) {
      this.socket.set(option, Math.ceil(value));
    }
  }

  /** Frame 2 of the request at this place. */
  payload(place: number): Message {
    return this.messages.at(place * MESSAGES_PER_PLACE + PAYLOAD);
  }

  /**
   * Receives a request, without waiting: frame 1 into `header`, or `malformed` says why not. It is in hand at this place until
   * it was answered.
   *
   * @returns false when there is none
   */
  receive(place: number): boolean {
    if (!this.socket.tryReceive(this.routingId(place))) return false;
    this.malformed = this.receiveFrames(place);
    return true;
  }

  /** Receives what follows the routing id. @returns what is wrong with it */
  private receiveFrames(place: number): string | undefined {
    const frame = this.scratch.at(0);
    if (!this.receiveEnvelope(place, frame)) return "the request has no empty delimiter frame";

    // The delimiter is in `frame`, and whatever follows is the request itself.
    if (!frame.more) return "the request has no frames, 2 were expected";
    this.socket.receiveRest(frame);
    this.headerLength = frame.size;
    if (this.headerLength <= HEADER_BYTES_MAX) frame.copyTo(this.header);
    if (!frame.more) return "the request has 1 frame, 2 were expected";

    const payload = this.payload(place);
    this.socket.receiveRest(payload);
    if (payload.more) return `the request has ${2 + this.skipRest(payload)} frames, 2 were expected`;
    if (this.headerLength > HEADER_BYTES_MAX) {
      return `frame 1 has ${this.headerLength} bytes, more than ${HEADER_BYTES_MAX}`;
    }
    return undefined;
  }

  /** The address of the sender of the request at this place, which is not answered yet, e.g. `192.168.86.41`. */
  peerAddress(place: number): string {
    const address = this.routingId(place).property("Peer-Address") ?? "an unknown address";
    return address.replace(/^::ffff:/, "");
  }

  /**
   * Whether the sender of the request at this place has set a routing id, which may come again on another connection. Those that libzmq
   * makes begin with a zero, and come once; a sender that sets such a one harms itself alone.
   */
  isNamed(place: number): boolean {
    return this.routingId(place).firstByte !== 0;
  }

  /** The descriptor of the connection that the request at this place came on; -1 where that is not known. */
  descriptor(place: number): number {
    return this.routingId(place).sourceFd;
  }

  /** Sends the reply to the request at this place. The request stays in hand. */
  reply(place: number, reply: Uint8Array): void {
    const { socket } = this;
    socket.sendMessage(this.routingId(place), true);
    const hops = this.hops.get(place);
    if (hops !== undefined) {
      this.hops.delete(place);
      for (const hop of hops) socket.send(hop, true);
    } else {
      socket.send(EMPTY, true);
    }
    socket.send(reply, false);
  }

  /** Takes the envelope of the request at this place, so that it can be answered when the place is another's. */
  takeEnvelope(place: number): Envelope {
    const hops = this.hops.get(place) ?? [EMPTY];
    this.hops.delete(place);
    return [this.routingId(place).bytes(), ...hops];
  }

  /** Sends the reply to a request whose envelope was taken. */
  replyTo(envelope: Envelope, reply: Uint8Array): void {
    for (const frame of envelope) this.socket.send(frame, true);
    this.socket.send(reply, false);
  }

  /** Forgets the request at this place. */
  release(place: number): void {
    this.hops.delete(place);
    this.payload(place).clear();
  }

  private routingId(place: number): Message {
    return this.messages.at(place * MESSAGES_PER_PLACE + ROUTING_ID);
  }

  /**
   * Receives up to the delimiter, into `frame`.
   *
   * @returns false where there is no delimiter; the request has been received whole then
   */
  private receiveEnvelope(place: number, frame: Message): boolean {
    if (!this.routingId(place).more) return this.answerWithoutDelimiter(place);
    this.socket.receiveRest(frame);
    if (frame.size === 0) return true;

    const hops: Uint8Array[] = [];
    while (frame.size > 0) {
      if (hops.length === HOPS_MAX || !frame.more) {
        this.skipRest(frame);
        return this.answerWithoutDelimiter(place);
      }
      hops.push(frame.bytes());
      this.socket.receiveRest(frame);
    }
    this.hops.set(place, [...hops, EMPTY]);
    return true;
  }

  /** Such a request is answered as it was asked, without a delimiter. */
  private answerWithoutDelimiter(place: number): false {
    this.hops.set(place, []);
    return false;
  }

  /** Receives and drops what follows a frame. @returns how many frames that were */
  private skipRest(frame: Message): number {
    let skipped = 0;
    for (; frame.more; skipped++) this.socket.receiveRest(frame);
    return skipped;
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}
