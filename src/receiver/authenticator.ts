/**
 * Decides on each connection before anything of it is taken in: the handler of ZAP (ZeroMQ RFC 27).
 *
 * libzmq asks it in the handshake, by address and, with CURVE, by key. Without a handler, or
 * without a domain that is enforced, libzmq lets everybody in whatever key they show, so the
 * handler is bound before the port, and the socket that faces the network has {@link ZAP_DOMAIN}
 * set and enforced.
 *
 * @module
 */

import { z85Encode } from "../zmq/library.ts";
import { MessageArray } from "../zmq/message.ts";
import { type Context, type Socket, SocketType } from "../zmq/socket.ts";

/** The domain of the hub's socket. */
export const ZAP_DOMAIN = "imagehub";

const ENDPOINT = "inproc://zeromq.zap.01";
const VERSION = "1.0";

/**
 * Frames of a request that are read: version, request id, domain, address, identity, mechanism,
 * key.
 */
const FRAMES_MAX = 7;

/** What a connection shows of itself. */
export interface Peer {
  readonly address: string;
  /** `NULL` or `CURVE`. */
  readonly mechanism: string;
  /** Its public key in Z85; undefined without CURVE. */
  readonly key: string | undefined;
}

/** Why a connection is not let in. */
export interface Refusal {
  readonly reason: string;
  /** Whether its libzmq tries again by itself. */
  readonly isForNow: boolean;
}

/** Says why a connection is refused, or undefined where it is let in. */
export type Policy = (peer: Peer) => Refusal | undefined;

/** Answers libzmq's questions. */
export class Authenticator implements Disposable {
  /** For a poller. */
  readonly socket: Socket;
  private readonly frame = new MessageArray(1).at(0);

  /**
   * @param onRefused is told of each connection that is refused
   * @throws {ZmqError}
   */
  constructor(
    context: Context,
    private readonly policy: Policy,
    private readonly onRefused: (peer: Peer, refusal: Refusal) => void,
  ) {
    this.socket = context.socket(SocketType.rep);
    this.socket.bind(ENDPOINT);
  }

  /** Answers what has been asked since. */
  update(): void {
    while (this.socket.tryReceive(this.frame)) this.answer(this.receiveFrames());
  }

  private receiveFrames(): Buffer[] {
    const frames = [this.frame.bytes()];
    while (this.frame.more) {
      this.socket.receiveRest(this.frame);
      if (frames.length < FRAMES_MAX) frames.push(this.frame.bytes());
    }
    return frames;
  }

  private answer([version, id, , address, , mechanism, key]: Buffer[]): void {
    const peer: Peer = {
      address: String(address).replace(/^::ffff:/, ""),
      mechanism: String(mechanism),
      key: String(mechanism) === "CURVE" && key?.byteLength === 32 ? z85Encode(key) : undefined,
    };
    const refusal =
      String(version) === VERSION
        ? this.policy(peer)
        : { reason: `ZAP version ${String(version)} is not known`, isForNow: false };
    if (refusal !== undefined) this.onRefused(peer, refusal);
    const [status, text, user] = answerFor(peer, refusal);
    for (const frame of [VERSION, id ?? "", status, text, user])
      this.socket.send(Buffer.from(frame), true);
    this.socket.send(Buffer.alloc(0), false);
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/**
 * Status, text and user id of an answer. With 300, libzmq says nothing to the peer and lets its
 * handshake run out of time, so that it connects again; with 400 it says so, and the peer's libzmq
 * gives up.
 */
function answerFor(
  peer: Peer,
  refusal: Refusal | undefined,
): [status: string, text: string, user: string] {
  if (refusal === undefined) return ["200", "OK", peer.key ?? ""];
  return refusal.isForNow ? ["300", "Later", ""] : ["400", "Refused", ""];
}
