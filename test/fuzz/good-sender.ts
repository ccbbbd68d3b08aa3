/**
 * A thread that sends images as a camera does, one after the other, while others do their worst:
 * what it was answered, when, and what it sent.
 *
 * @module
 */

import { Context } from "../../src/zmq/socket.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";
import { Random } from "./random.ts";

declare const self: Worker;

/** What the thread is started with. */
export interface GoodSenderStart {
  readonly port: number;
  readonly seed: number;
  /** Between a reply and the next image, in milliseconds. */
  readonly pauseMs: number;
  /** It ends when `ends[0]` is not 0. */
  readonly ends: Int32Array<SharedArrayBuffer>;
}

/** What the thread did. */
export interface GoodSenderResult {
  /** SHA-256 of each image that was answered `OK`. */
  readonly stored: readonly string[];
  /** From before the send to the reply, of each, in milliseconds. */
  readonly latenciesMs: readonly number[];
  /** Other answers, and images without one. */
  readonly faults: readonly string[];
}

/** What the name of each of its images starts with. */
export const GOOD_NODE = "Good";

const IMAGE_BYTES_MAX = 60_000;

function send({ port, seed, pauseMs, ends }: GoodSenderStart): GoodSenderResult {
  const random = new Random(seed);
  const stored: string[] = [];
  const latenciesMs: number[] = [];
  const faults: string[] = [];
  using context = new Context();
  using peer = new Peer(context, PeerType.req, `tcp://127.0.0.1:${port}`);
  for (let number = 0; Atomics.load(ends, 0) === 0; number += 1) {
    const image = random.bytes(random.between(1000, IMAGE_BYTES_MAX));
    const startMs = performance.now();
    peer.send(JSON.stringify({ msg: `${GOOD_NODE}|jpg|${number}` }), image);
    const reply = peer.receive();
    latenciesMs.push(performance.now() - startMs);
    if (reply?.length === 1 && reply[0] === "OK") stored.push(Bun.SHA256.hash(image, "hex"));
    else faults.push(`image ${number}: ${JSON.stringify(reply ?? "no reply")}`);
    // A REQ that got no reply cannot send again.
    if (reply === undefined) break;
    Atomics.wait(ends, 0, 0, pauseMs);
  }
  return { stored, latenciesMs, faults };
}

self.onmessage = ({ data }: MessageEvent<GoodSenderStart>) => {
  self.postMessage(send(data));
};
