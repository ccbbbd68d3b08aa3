/**
 * A peer of a socket under test, in the same thread: libzmq's own REQ, or a DEALER, which sends
 * whatever frames it is given, and what a program of its own would else be needed for.
 *
 * @module
 */

import { MessageArray } from "../../../src/zmq/message.ts";
import { Poller } from "../../../src/zmq/poller.ts";
import { type Context, type Socket, SocketOption } from "../../../src/zmq/socket.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";

/** Socket types that only tests use, as zmq.h numbers them, beside those of the hub. */
export const PeerType = { req: 3, rep: 4, dealer: 5, router: 6 } as const;

/**
 * How long something that must come is waited for, in milliseconds. It only bounds a test that
 * would else hang.
 */
export const COMES_MS = 50_000;

/** Frames as text, or undefined where none came. */
export type FramesText = string[] | undefined;

/** Receives one message with all its frames. @returns undefined where none came in time */
export function receiveFrames(socket: Socket, timeoutMs = COMES_MS): Buffer[] | undefined {
  const frame = new MessageArray(1).at(0);
  let poller: Poller | undefined;
  const end = performance.now() + timeoutMs;
  while (!socket.tryReceive(frame)) {
    const left = end - performance.now();
    if (left <= 0) return undefined;
    poller ??= new Poller([socket]);
    poller.wait(Math.ceil(left));
  }
  const frames = [frame.bytes()];
  while (frame.more) {
    socket.receiveRest(frame);
    frames.push(frame.bytes());
  }
  frame.clear();
  return frames;
}

/** Sends one message. */
export function sendFrames(socket: Socket, frames: readonly (string | Uint8Array)[]): void {
  for (const [index, frame] of frames.entries()) {
    socket.send(typeof frame === "string" ? Buffer.from(frame) : frame, index < frames.length - 1);
  }
}

/** ZMQ_ROUTING_ID. */
const ROUTING_ID = 5;

/** A socket that connects to the one under test. */
export class Peer implements Disposable {
  readonly socket: Socket;

  /** @param type of {@link PeerType} @param routingId four bytes; else the other side makes one */
  constructor(context: Context, type: number, endpoint: string, routingId?: number) {
    this.socket = context.socket(type);
    if (routingId !== undefined) this.socket.set(ROUTING_ID, routingId);
    this.socket.set(SocketOption.linger, 0);
    this.socket.connect(endpoint);
  }

  send(...frames: readonly (string | Uint8Array)[]): void {
    sendFrames(this.socket, frames);
  }

  /** The next message as texts. @returns undefined where none came in time */
  receive(timeoutMs = COMES_MS): FramesText {
    return receiveFrames(this.socket, timeoutMs)?.map(String);
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/** Waits until a socket is readable. @throws {Error} when it is not in time */
export function waitFor(socket: Socket): void {
  const poller = new Poller([socket]);
  poller.wait(COMES_MS);
  if (!poller.readable(0)) throw new Error("Nothing came");
}

/** An endpoint of this machine that was free a moment ago. */
export function freeEndpoint(): string {
  return `tcp://127.0.0.1:${freePort()}`;
}
