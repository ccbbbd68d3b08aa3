/**
 * A thread that sends images one after the other, like a camera, while other peers do their worst.
 * It records what it sent, and each answer with its time.
 *
 * @module
 */

import { Context } from "../../src/zmq/socket.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";
import { Random } from "./random.ts";

declare const self: Worker;

/** The input of the thread. */
export interface GoodSenderStart {
  readonly port: number;
  readonly seed: number;
  /** Time between a reply and the next image, in milliseconds. */
  readonly pauseMs: number;
  /** It ends when `ends[0]` is not 0. */
  readonly ends: Int32Array<SharedArrayBuffer>;
}

/** The result of the thread. */
export interface GoodSenderResult {
  /** SHA-256 of each image that was answered `OK`. */
  readonly stored: readonly string[];
  /** Time from before each send to its reply, in milliseconds. */
  readonly latenciesMs: readonly number[];
  /** Other answers, and images without an answer. */
  readonly faults: readonly string[];
}

/** The start of the names of its images. */
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
