/**
 * A REP socket that can have many requests in hand at once: a ROUTER that keeps each request's
 * envelope beside its frames until it is answered.
 *
 * libzmq's own REP answers one request before it receives the next, and drops the next client's
 * reply when a peer that sent no delimiter goes away. Envelopes are checked here, and a request
 * without one is answered all the same.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import type { Address } from "../os/ffi.ts";
import type { Message } from "../zmq/message.ts";
import { type Context, type Socket, SocketOption, SocketType } from "../zmq/socket.ts";
import { HOPS_MAX, NO_DELIMITER, Place } from "../shared/place.ts";

/** Longest frame 1, in bytes. */
const HEADER_BYTES_MAX = 64 * 1024;

/**
 * TCP's own questions whether a silent peer is still there: after so many seconds, every so many,
 * so many times. Each minute, so that no router between forgets the connection. It is given up
 * after two hours, as Linux does by default: a camera whose connection ends while packets are lost
 * never sends again.
 */
const KEEPALIVE_IDLE_S = 60;
const KEEPALIVE_INTERVAL_S = 60;
const KEEPALIVE_PROBES = 120;

/**
 * Connections that may wait to be accepted; the kernel's own bound (net.core.somaxconn) is 4096.
 */
const BACKLOG = 1024;

/**
 * What stands before the bytes of a frame on the wire (ZMTP 3, "Framing"): its flags and its
 * length, of one byte or of eight.
 */
const SHORT_FRAME_BYTES_MAX = 255;
const SHORT_HEAD_BYTES = 2;
const LONG_HEAD_BYTES = 9;

const EMPTY = new Uint8Array(0);

/** Where the reply to a request goes: the frames that stand before it. */
export type Envelope = readonly Uint8Array[];

/** The settings that bound the socket. */
export type SocketSettings = Pick<
  Settings,
  | "max_message_bytes"
  | "max_unfinished_bytes"
  | "linger"
  | "receive_hwm"
  | "handshake_timeout"
  | "heartbeat_interval"
  | "heartbeat_timeout"
>;

/**
 * Bytes that messages which have not come whole may hold together: one of the longest always may.
 */
export function unfinishedBytesMax(
  settings: Pick<Settings, "max_message_bytes" | "max_unfinished_bytes">,
): number {
  return Math.max(settings.max_message_bytes, settings.max_unfinished_bytes);
}

/**
 * Makes the socket that faces the senders.
 *
 * @param settings the bounds of the network, which are put on it
 * @throws {ZmqError}
 */
export function routerSocket(context: Context, settings: SocketSettings): Socket {
  const socket = context.socket(SocketType.router);
  // One that is longer than it may be, but could be held, is taken in and answered: a camera that
  // is cut off never sends again.
  socket.maxMessageSize = unfinishedBytesMax(settings);
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
    socket.set(option, Math.ceil(value));
  }
  return socket;
}

/**
 * The socket that faces the senders, as one thread sees it. A request in hand has a place, a number
 * that the caller chooses. The places are in shared memory: a thread that is given one finds the
 * whole request there.
 */
export class ReplySocket {
  /** Begins with frame 1 of the request that was received or loaded last. */
  readonly header = Buffer.alloc(HEADER_BYTES_MAX);
  /** How long that is, in bytes. */
  headerLength = 0;
  /** Why there is none, where the frames are not two, or it is too long. */
  malformed: string | undefined;
  private readonly views: Place[] = [];

  /**
   * @param socket for a poller; a ROUTER
   * @param places where all places are
   * @param own how many of them, from the first, this thread makes ready itself, each when it is
   *   used first; another has done so with the rest
   * @param isLent whether another thread has the socket now; to use it all the same would corrupt
   * it, so that throws
   */
  constructor(
    readonly socket: Socket,
    private readonly places: Address,
    private readonly own: number,
    private readonly isLent: () => boolean = () => false,
  ) {}

  /** Frame 2 of the request at this place. */
  payload(place: number): Message {
    return this.at(place).payload;
  }

  /**
   * Receives a request, without waiting. It is in hand at this place until it was answered; `load`
   * has it read.
   *
   * @returns false when there is none
   */
  receive(place: number): boolean {
    this.check();
    const at = this.at(place);
    if (!this.socket.tryReceive(at.routingId)) return false;
    at.fd = at.routingId.sourceFd;
    this.receiveFrames(at);
    return true;
  }

  /**
   * Receives what a publisher has sent, without waiting, into a place where nothing is in hand: two
   * frames and no envelope. It is not to be answered.
   *
   * @param publisher a SUB socket
   * @returns false when there is nothing
   */
  receivePublished(place: number, publisher: Socket): boolean {
    const at = this.at(place);
    const { header, payload } = at;
    if (!publisher.tryReceive(header)) return false;
    at.routingId.clear();
    at.hops = 0;
    at.fd = -1;
    at.headerBytes = header.size;
    at.frames = 1;
    if (header.more) {
      publisher.receiveRest(payload);
      at.frames = 2;
      for (; payload.more; at.frames++) publisher.receiveRest(payload);
    }
    if (at.headerBytes > HEADER_BYTES_MAX) header.clear();
    return true;
  }

  /**
   * Reads frame 1 of the request at this place into `header`, or into `malformed` why not; another
   * thread may have received it.
   */
  load(place: number): void {
    const { hops, frames, headerBytes, header } = this.at(place);
    this.headerLength = headerBytes;
    this.malformed = whyMalformed(hops, frames, headerBytes);
    if (this.malformed === undefined) header.copyTo(this.header);
  }

  /**
   * Lets go of frame 1 of the request at this place, which then cannot be loaded any more. It may
   * be large, and counts nowhere.
   */
  dropHeader(place: number): void {
    const at = this.at(place);
    if (at.headerBytes === 0) return;
    at.headerBytes = 0;
    at.header.clear();
  }

  /** Receives what follows the routing id. */
  private receiveFrames(at: Place): void {
    const { header, payload } = at;
    at.frames = 0;
    at.headerBytes = 0;
    at.wireBytes = 0;
    // The delimiter is in `header` then, and whatever follows is the request itself.
    if (!this.receiveEnvelope(at) || !header.more) return;
    this.receiveFrame(at, header);
    at.headerBytes = header.size;
    at.frames = 1;
    if (header.more) {
      this.receiveFrame(at, payload);
      at.frames = payload.more ? 2 + this.skipRest(at, payload) : 2;
    }
    if (at.headerBytes > HEADER_BYTES_MAX) header.clear();
  }

  private receiveFrame(at: Place, into: Message): void {
    this.socket.receiveRest(into);
    const { size } = into;
    at.wireBytes += size + (size > SHORT_FRAME_BYTES_MAX ? LONG_HEAD_BYTES : SHORT_HEAD_BYTES);
  }

  /** Bytes that all frames of the request at this place took on the wire. */
  wireBytes(place: number): number {
    return this.at(place).wireBytes;
  }

  /**
   * The address of the sender of the request at this place, which is not answered yet, e.g.
   * `192.168.86.41`.
   */
  peerAddress(place: number): string {
    const { routingId, payload } = this.at(place);
    // What a publisher has sent has no routing id.
    const address = routingId.property("Peer-Address") ?? payload.property("Peer-Address");
    return (address ?? "an unknown address").replace(/^::ffff:/, "");
  }

  /**
   * Whether the sender of the request at this place has set a routing id, which may come again on
   * another connection. Those that libzmq makes begin with a zero, and come once. A sender that
   * sets such a one itself may get replies late or not at all; and where libzmq's counter comes to
   * one that somebody has set, it ends the process, which the pace of new connections bounds
   * (`arrivals.ts`).
   */
  isNamed(place: number): boolean {
    return this.at(place).routingId.firstByte !== 0;
  }

  /** Whether the request at this place came straight from its sender, through no proxy. */
  isDirect(place: number): boolean {
    return this.at(place).hops === 0;
  }

  /**
   * The descriptor of the connection that the request at this place came on; -1 where that is not
   * known.
   */
  descriptor(place: number): number {
    return this.at(place).fd;
  }

  /** Sends the reply to the request at this place. The request stays in hand. */
  reply(place: number, reply: Uint8Array): void {
    this.check();
    const { socket } = this;
    const at = this.at(place);
    socket.sendMessage(at.routingId, true);
    for (let hop = 0; hop < at.hops; hop++) socket.sendMessage(at.hop(hop), true);
    if (at.hops !== NO_DELIMITER) socket.send(EMPTY, true);
    socket.send(reply, false);
  }

  /**
   * Takes the envelope of the request at this place, so that it can be answered when the place is
   * another's.
   */
  takeEnvelope(place: number): Envelope {
    const at = this.at(place);
    const hops = Array.from({ length: Math.max(at.hops, 0) }, (_, hop) => at.hop(hop).bytes());
    return [at.routingId.bytes(), ...hops, ...(at.hops === NO_DELIMITER ? [] : [EMPTY])];
  }

  /** Sends the reply to a request whose envelope was taken. */
  replyTo(envelope: Envelope, reply: Uint8Array): void {
    this.check();
    for (const frame of envelope) this.socket.send(frame, true);
    this.socket.send(reply, false);
  }

  /** Forgets the request at this place. */
  release(place: number): void {
    const at = this.at(place);
    for (let hop = 0; hop < at.hops; hop++) at.hop(hop).clear();
    at.hops = 0;
    at.payload.clear();
    this.dropHeader(place);
  }

  private check(): void {
    if (this.isLent()) throw new Error("The socket is lent to another thread");
  }

  private at(place: number): Place {
    return (this.views[place] ??= this.view(place));
  }

  private view(place: number): Place {
    const view = new Place(this.places, place);
    if (place < this.own) view.init();
    return view;
  }

  /**
   * Receives up to the delimiter, which then is in the place of frame 1.
   *
   * @returns false where there is no delimiter; the request has been received whole then
   */
  private receiveEnvelope(at: Place): boolean {
    const { routingId, header } = at;
    at.hops = NO_DELIMITER;
    if (!routingId.more) return false;
    this.receiveFrame(at, header);
    let hops = 0;
    for (; header.size > 0; hops++) {
      if (hops === HOPS_MAX || !header.more) {
        this.skipRest(at, header);
        header.clear();
        for (let hop = 0; hop < hops; hop++) at.hop(hop).clear();
        return false;
      }
      at.hop(hops).moveFrom(header);
      this.receiveFrame(at, header);
    }
    at.hops = hops;
    return true;
  }

  /** Receives and drops what follows a frame. @returns how many frames that were */
  private skipRest(at: Place, frame: Message): number {
    let skipped = 0;
    for (; frame.more; skipped++) this.receiveFrame(at, frame);
    return skipped;
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/** Why a request cannot be read. @returns undefined where it can */
function whyMalformed(hops: number, frames: number, headerBytes: number): string | undefined {
  if (hops === NO_DELIMITER) return "the request has no empty delimiter frame";
  if (frames === 0) return "the request has no frames, 2 were expected";
  if (frames !== 2)
    return `the request has ${frames} ${frames === 1 ? "frame" : "frames"}, 2 were expected`;
  if (headerBytes > HEADER_BYTES_MAX) {
    return `frame 1 has ${headerBytes} bytes, more than ${HEADER_BYTES_MAX}`;
  }
  return undefined;
}
