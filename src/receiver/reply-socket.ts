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
import type { Message } from "../zmq/message.ts";
import { type Context, type Socket, SocketOption, SocketType } from "../zmq/socket.ts";
import { HOPS_MAX, NO_DELIMITER, type RequestSlot } from "../shared/request-slot.ts";

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
 * The socket that faces the senders, as one thread sees it. Each request has a {@link RequestSlot}
 * that the caller chooses. Slots are in shared memory, so any thread finds the whole request there.
 */
export class ReplySocket {
  /** Begins with frame 1 of the request that was loaded last. */
  readonly header = Buffer.alloc(HEADER_BYTES_MAX);
  /** Length of that frame, in bytes. */
  headerLength = 0;
  /** Why the request that was loaded last cannot be read; undefined if it can. */
  malformed: string | undefined;

  /**
   * @param socket a ROUTER; also for a poller
   * @param isLent whether another thread has the socket now. Using it all the same would corrupt
   *   it, so that throws
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
  receive(slot: RequestSlot): boolean {
    this.check();
    const { routingId } = slot;
    if (!this.socket.tryReceive(routingId)) return false;
    slot.fd = routingId.sourceFd;
    this.receiveFrames(slot);
    return true;
  }

  /**
   * Receives what a publisher has sent into a free slot, without waiting: two frames and no
   * envelope. It gets no reply.
   *
   * @param publisher a SUB socket
   * @returns false if there is nothing
   */
  receivePublished(slot: RequestSlot, publisher: Socket): boolean {
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
   * Copies frame 1 of a request to `header`, or says in `malformed` why it cannot be read. Another
   * thread may have received it.
   */
  load({ hops, frames, headerBytes, header }: RequestSlot): void {
    this.headerLength = headerBytes;
    this.malformed = whyMalformed(hops, frames, headerBytes);
    if (this.malformed === undefined) header.copyTo(this.header);
  }

  /**
   * Frees frame 1 of a request, which cannot be loaded any more. It may be large, and no bound
   * counts it.
   */
  dropHeader(slot: RequestSlot): void {
    if (slot.headerBytes === 0) return;
    slot.headerBytes = 0;
    slot.header.clear();
  }

  /** Sends the reply to a request. The request stays in its slot. */
  reply(slot: RequestSlot, reply: Uint8Array): void {
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
  release(slot: RequestSlot): void {
    const { hops } = slot;
    for (let hop = 0; hop < hops; hop++) slot.hop(hop).clear();
    slot.hops = 0;
    slot.payload.clear();
    this.dropHeader(slot);
  }

  private check(): void {
    if (this.isLent()) throw new Error("The socket is lent to another thread");
  }

  /** Receives what follows the routing id. */
  private receiveFrames(slot: RequestSlot): void {
    const { header, payload } = slot;
    slot.frames = 0;
    slot.headerBytes = 0;
    slot.wireBytes = 0;
    // The delimiter is in `header` then, and the request itself follows.
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
   * @returns false if there is no delimiter; the request has been received whole then
   */
  private receiveEnvelope(slot: RequestSlot): boolean {
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

  /** Receives and drops what follows a frame. @returns the number of frames dropped */
  private skipRest(slot: RequestSlot, frame: Message): number {
    let skipped = 0;
    for (; frame.more; skipped++) this.receiveFrame(slot, frame);
    return skipped;
  }

  private receiveFrame(slot: RequestSlot, into: Message): void {
    this.socket.receiveRest(into);
    const { size } = into;
    slot.wireBytes += size + (size > SHORT_FRAME_BYTES_MAX ? LONG_HEAD_BYTES : SHORT_HEAD_BYTES);
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/** Copies the envelope of a request, which can then be answered after its slot was reused. */
export function copyEnvelope(slot: RequestSlot): Envelope {
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
