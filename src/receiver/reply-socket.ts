/**
 * A REP socket for many requests at once: a ROUTER that keeps the envelope of each request with its
 * frames until it is answered.
 *
 * libzmq's own REP answers one request before it receives the next. It also drops the next client's
 * reply if a peer that sent no delimiter disconnects. Here envelopes are checked, and a request
 * without one is still answered.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import type { Message } from "../zmq/message.ts";
import { type Context, type Socket, SocketOption, SocketType } from "../zmq/socket.ts";
import { NO_DELIMITER } from "../shared/request-slot.ts";
import { type FramedSlot, HOPS_MAX } from "./framed-slot.ts";

/** Longest frame 1, in bytes. */
const HEADER_BYTES_MAX = 64 * 1024;

/**
 * TCP probes for silent peers: seconds before the first, seconds between, and their number. They
 * come each minute, so no router on the way forgets the connection. The connection is given up
 * after two hours, the default of Linux: a camera whose connection ends while packets are lost
 * never sends again.
 */
const KEEPALIVE_IDLE_S = 60;
const KEEPALIVE_INTERVAL_S = 60;
const KEEPALIVE_PROBES = 120;

/**
 * Connections that may wait to be accepted. The kernel's own limit (net.core.somaxconn) is 4096.
 */
const BACKLOG = 1024;

/**
 * Bytes before a frame on the wire (ZMTP 3, "Framing"): flags, and a length of one or eight bytes.
 */
const SHORT_FRAME_BYTES_MAX = 255;
const SHORT_HEAD_BYTES = 2;
const LONG_HEAD_BYTES = 9;

const EMPTY = new Uint8Array(0);

/** The address of a reply: the frames before it. */
export type Envelope = readonly Uint8Array[];

/** The settings that limit the socket. */
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
 * Maximum bytes that unfinished messages may hold together. It is enough for one of the longest.
 */
export function unfinishedBytesMax(
  settings: Pick<Settings, "max_message_bytes" | "max_unfinished_bytes">,
): number {
  return Math.max(settings.max_message_bytes, settings.max_unfinished_bytes);
}

/**
 * Makes the socket that faces the senders.
 *
 * @param settings the network limits to set on it
 * @throws {ZmqError} if that fails
 */
export function routerSocket(context: Context, settings: SocketSettings): Socket {
  const socket = context.socket(SocketType.router);
  // A message that is too long, but can be held, is received and answered: a camera that is
  // disconnected never sends again.
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
 * The socket that faces the senders, as one thread sees it. The caller chooses a {@link
 * FramedSlot} for each request. Slots are in shared memory, so any thread finds the whole request
 * there.
 */
export class ReplySocket {
  /** Begins with frame 1 of the last loaded request. */
  readonly header = Buffer.alloc(HEADER_BYTES_MAX);
  /** Length of that frame, in bytes. */
  headerLength = 0;
  /** Why the last loaded request cannot be read; undefined if it can. */
  malformed: string | undefined;

  /**
   * @param socket a ROUTER; also to be polled
   * @param isLent whether another thread has the socket now. Using it then would corrupt it, so
   *   receiving and replying throw
   */
  constructor(
    readonly socket: Socket,
    private readonly isLent: () => boolean = () => false,
  ) {}

  /**
   * Receives a request into a slot, without waiting. {@link load} then reads it.
   *
   * @returns false if there is none
   */
  receive(slot: FramedSlot): boolean {
    this.check();
    const { routingId } = slot;
    if (!this.socket.tryReceive(routingId)) return false;
    slot.fd = routingId.sourceFd;
    this.receiveFrames(slot);
    return true;
  }

  /**
   * Receives a publisher's message into a free slot, without waiting: two frames without an
   * envelope. It gets no reply.
   *
   * @param publisher a SUB socket
   * @returns false if there is none
   */
  receivePublished(slot: FramedSlot, publisher: Socket): boolean {
    const { header, payload } = slot;
    if (!publisher.tryReceive(header)) return false;
    slot.routingId.clear();
    slot.hops = 0;
    slot.fd = -1;
    slot.headerBytes = header.size;
    slot.frames = 1;
    if (header.more) {
      publisher.receiveRest(payload);
      slot.frames = 2;
      for (; payload.more; slot.frames++) publisher.receiveRest(payload);
    }
    if (slot.headerBytes > HEADER_BYTES_MAX) header.clear();
    return true;
  }

  /**
   * Copies frame 1 of a request to `header`, or sets `malformed` if it cannot be read. Another
   * thread may have received it.
   */
  load({ hops, frames, headerBytes, header }: FramedSlot): void {
    this.headerLength = headerBytes;
    this.malformed = whyMalformed(hops, frames, headerBytes);
    if (this.malformed === undefined) header.copyTo(this.header);
  }

  /**
   * Frees frame 1 of a request, which cannot be loaded afterwards. It may be large, and no limit
   * counts it.
   */
  dropHeader(slot: FramedSlot): void {
    if (slot.headerBytes === 0) return;
    slot.headerBytes = 0;
    slot.header.clear();
  }

  /** Frees frame 2 of a request, which is stored. */
  dropPayload({ payload }: FramedSlot): void {
    payload.clear();
  }

  /** Sends the reply to a request. The request stays in its slot. */
  reply(slot: FramedSlot, reply: Uint8Array): void {
    this.check();
    const { socket } = this;
    const { hops } = slot;
    socket.sendMessage(slot.routingId, true);
    for (let hop = 0; hop < hops; hop++) socket.sendMessage(slot.hop(hop), true);
    if (hops !== NO_DELIMITER) socket.send(EMPTY, true);
    socket.send(reply, false);
  }

  /** Sends the reply to a request whose envelope was copied. */
  replyTo(envelope: Envelope, reply: Uint8Array): void {
    this.check();
    for (const frame of envelope) this.socket.send(frame, true);
    this.socket.send(reply, false);
  }

  /** Frees what a slot holds of a request. */
  release(slot: FramedSlot): void {
    const { hops } = slot;
    for (let hop = 0; hop < hops; hop++) slot.hop(hop).clear();
    slot.hops = 0;
    slot.payload.clear();
    this.dropHeader(slot);
  }

  private check(): void {
    if (this.isLent()) throw new Error("The socket is lent to another thread");
  }

  /** Receives everything after the routing id. */
  private receiveFrames(slot: FramedSlot): void {
    const { header, payload } = slot;
    slot.frames = 0;
    slot.headerBytes = 0;
    slot.wireBytes = 0;
    // `header` contains the delimiter then. The request itself follows.
    if (!this.receiveEnvelope(slot) || !header.more) return;
    this.receiveFrame(slot, header);
    slot.headerBytes = header.size;
    slot.frames = 1;
    if (header.more) {
      this.receiveFrame(slot, payload);
      slot.frames = payload.more ? 2 + this.skipRest(slot, payload) : 2;
    }
    if (slot.headerBytes > HEADER_BYTES_MAX) header.clear();
  }

  /**
   * Receives up to the delimiter, which is in `header` then.
   *
   * @returns false if there is no delimiter; then the whole request has been received
   */
  private receiveEnvelope(slot: FramedSlot): boolean {
    const { routingId, header } = slot;
    slot.hops = NO_DELIMITER;
    if (!routingId.more) return false;
    this.receiveFrame(slot, header);
    let hops = 0;
    for (; header.size > 0; hops++) {
      if (hops === HOPS_MAX || !header.more) {
        this.skipRest(slot, header);
        header.clear();
        for (let hop = 0; hop < hops; hop++) slot.hop(hop).clear();
        return false;
      }
      slot.hop(hops).moveFrom(header);
      this.receiveFrame(slot, header);
    }
    slot.hops = hops;
    return true;
  }

  /** Receives and drops the frames after a frame. @returns their number */
  private skipRest(slot: FramedSlot, frame: Message): number {
    let skipped = 0;
    for (; frame.more; skipped++) this.receiveFrame(slot, frame);
    return skipped;
  }

  private receiveFrame(slot: FramedSlot, into: Message): void {
    this.socket.receiveRest(into);
    const { size } = into;
    slot.wireBytes += size + (size > SHORT_FRAME_BYTES_MAX ? LONG_HEAD_BYTES : SHORT_HEAD_BYTES);
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/** Copies the envelope of a request, so it can be answered after its slot was reused. */
export function copyEnvelope(slot: FramedSlot): Envelope {
  const hops = Array.from({ length: Math.max(slot.hops, 0) }, (_, hop) => slot.hop(hop).bytes());
  const delimiter = slot.hops === NO_DELIMITER ? [] : [EMPTY];
  return [slot.routingId.bytes(), ...hops, ...delimiter];
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
