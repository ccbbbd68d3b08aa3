/**
 * Decides on each connection before anything from it is read: the ZAP handler (ZeroMQ RFC 27).
 *
 * libzmq asks it during the handshake, with the address and, for CURVE, the key. Without a handler
 * or an enforced domain, libzmq accepts everybody with any key. So the handler is bound before the
 * port, and the socket that faces the network has {@link ZAP_DOMAIN} set and enforced.
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
 * Frames of a request that are used: version, request id, domain, address, identity, mechanism,
 * key.
 */
const FRAMES_MAX = 7;

/** What a connection shows. */
export interface Peer {
  readonly address: string;
  /** `NULL` or `CURVE`. */
  readonly mechanism: string;
  /** Its public key in Z85; undefined without CURVE. */
  readonly key: string | undefined;
}

/** Why a connection is refused. */
export interface Refusal {
  readonly reason: string;
  /** Whether its libzmq tries again by itself. */
  readonly isForNow: boolean;
}

/** Returns why a connection is refused; undefined if it is accepted. */
export type Policy = (peer: Peer) => Refusal | undefined;

/** Answers libzmq's questions. */
export class Authenticator implements Disposable {
  /** To be polled. */
  readonly socket: Socket;
  private readonly frame = new MessageArray(1).at(0);

  /**
   * @param onRefused called for each refused connection
   * @throws {ZmqError} if the handler cannot be bound
   */
  constructor(
    context: Context,
    private readonly policy: Policy,
    private readonly onRefused: (peer: Peer, refusal: Refusal) => void,
  ) {
    this.socket = context.socket(SocketType.rep);
    this.socket.bind(ENDPOINT);
  }

  /** Answers all waiting questions. */
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
 * Status, text and user id of an answer. With 300, libzmq tells the peer nothing and lets its
 * handshake time out, so the peer connects again. With 400 it tells the peer, and the peer's libzmq
 * gives up.
 */
function answerFor(
  peer: Peer,
  refusal: Refusal | undefined,
): [status: string, text: string, user: string] {
  if (refusal === undefined) return ["200", "OK", peer.key ?? ""];
  return refusal.isForNow ? ["300", "Later", ""] : ["400", "Refused", ""];
}
