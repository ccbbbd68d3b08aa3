/**
 * Fuzzes a hub from the network: messages of any frames from peers of several kinds, peers that
 * vanish, and TCP connections with anything on them, while a good sender beside them wants its
 * images stored.
 *
 * Seen when a line was taken out of a copy of the sources, within the first few hundred iterations:
 * a malformed request that ends the receiver; a header longer than its buffer; hops of one request
 * in the reply to the next; frames miscounted; hops without bound; a delimiter in the reply to who
 * sent none; a node's name taken as it is. In the end, by what stood on the disk: images one byte
 * short; two of a hundred images answered and not stored; frames left over that were taken for the
 * next request; events cut, or on two lines of the log.
 *
 * @module
 */

import { nextAddress } from "./connection.ts";
import { existsSync } from "node:fs";
import { constants as os } from "node:os";
import { join } from "node:path";
import { ZmqError } from "../../src/zmq/library.ts";
import { Context, type Socket, SocketOption } from "../../src/zmq/socket.ts";
import type { Program } from "../../scripts/lib/available.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { tempDir } from "../support/machine/temp.ts";
import { PeerType, receiveFrames, sendFrames } from "../support/peers/zmq-peer.ts";
import { Connection } from "./connection.ts";
import type { GoodSenderResult, GoodSenderStart } from "./good-sender.ts";
import { Journal, settle } from "./journal.ts";
import {
  anyBody,
  anyFrames,
  FUZZ_NODE,
  key,
  type Request,
  requestOf,
  validBody,
} from "./messages.ts";
import { Random } from "./random.ts";
import {
  count,
  FuzzFailure,
  type FuzzOptions,
  type FuzzResult,
  type FuzzTarget,
  must,
} from "./target.ts";
import { anyConversation, chunksOf, type Conversation, handshake, message } from "./zmtp.ts";

/** Iterations under way at once. */
const LANES = 32;

/** How long a reply or the end of a connection is waited for, in milliseconds. */
const COMES_MS = 15_000;

/**
 * How long a connection with faults waits for the hub's part of the handshake, which may not come,
 * in milliseconds.
 */
const READY_MS_MAX = 50;

/** Between two images of the good sender, in milliseconds: it measures, it is no load. */
const GOOD_PAUSE_MS = 5;

/** The node of images in connections with faults. */
const WILD_NODE = "Wild";

/** ZMQ_CONNECT_ROUTING_ID: what a ROUTER calls the peer that it connects to next. */
const CONNECT_ROUTING_ID = 61;

/** ZMQ_ROUTING_ID, here with four bytes. */
const ROUTING_ID = 5;
const NAME = 0x61_62_63_64;

/** What a ROUTER calls the hub. */
const HUB_ID = "hub";

/** A peer of any type. */
class FuzzPeer implements Disposable {
  readonly socket: Socket;

  /**
   * @param named whether it has a name that others have too, of which the hub takes in only the
   * first
   */
  constructor(
    context: Context,
    readonly type: number,
    endpoint: string,
    named: boolean,
  ) {
    this.socket = context.socket(type);
    this.socket.set(SocketOption.linger, 0);
    if (type === PeerType.router) this.socket.setText(CONNECT_ROUTING_ID, HUB_ID);
    if (named) this.socket.set(ROUTING_ID, NAME);
    this.socket.connect(endpoint.replace("//", `//${nextAddress()}:0;`));
  }

  /** Sends a message. A ROUTER has to say to whom. */
  send(frames: readonly Uint8Array[]): void {
    sendFrames(this.socket, this.type === PeerType.router ? [HUB_ID, ...frames] : frames);
  }

  /**
   * The next message, without holding up what else goes on in this thread. @returns undefined where
   * none comes
   */
  async receive(): Promise<Buffer[] | undefined> {
    const endMs = performance.now() + COMES_MS;
    while (performance.now() < endMs) {
      const frames = receiveFrames(this.socket, 0);
      if (frames !== undefined) return this.type === PeerType.router ? frames.slice(1) : frames;
      await Bun.sleep(1);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

/** Takes what shows the input of an iteration, should it fail. */
type Note = (show: () => string) => void;

/** The longest part of a frame that is shown, in bytes; the seed makes it whole again. */
const SHOWN_BYTES_MAX = 512;

/** Frames or chunks in hex. */
function shown(frames: readonly Buffer[]): string {
  const texts = frames.map((each) =>
    each.byteLength <= SHOWN_BYTES_MAX
      ? each.toString("hex")
      : `${each.toString("hex", 0, SHOWN_BYTES_MAX)}… (${each.byteLength} bytes)`,
  );
  return JSON.stringify(
    texts.length <= 20 ? texts : [...texts.slice(0, 20), `… ${texts.length} in all`],
  );
}

/** @returns false where libzmq takes nothing from a peer at the moment */
function trySend(send: () => void): boolean {
  try {
    send();
    return true;
  } catch (error) {
    if (error instanceof ZmqError && error.errno === os.errno.EAGAIN) return false;
    throw error;
  }
}

/** One hub under fire. */
class Siege {
  readonly journal = new Journal();
  private readonly context = new Context();

  constructor(private readonly hub: Hub) {}

  private get endpoint(): string {
    return `tcp://127.0.0.1:${this.hub.port}`;
  }

  /** Does what is to be done in this iteration. @param note is told how to show what is sent */
  async act(random: Random, note: Note): Promise<void> {
    const action = random.below(20);
    if (action < 9) await this.pipeline(random, note);
    else if (action < 10) await this.exchange(random, PeerType.dealer, note);
    else if (action < 11) await this.exchange(random, PeerType.router, note);
    else if (action < 12) await this.request(random, note);
    else if (action < 14) await this.vanish(random, note);
    else if (action < 15) await this.speakRight(random, note);
    else await this.speakWrong(random, note);
  }

  /** A connection with many messages of all kinds in one piece, and an answer to each. */
  private async pipeline(random: Random, note: Note): Promise<void> {
    count(this.journal.outcomes, "TCP: many messages");
    this.journal.connections += 1;
    const socketType = random.pick(["REQ", "DEALER", "ROUTER"]);
    const requests = this.anyRequests(random, note);
    using connection = new Connection(this.hub.port);
    await connection.open(COMES_MS);
    connection.send(handshake(socketType));
    await connection.ready(COMES_MS);
    connection.send(Buffer.concat(requests.map(({ frames }) => message(frames))));
    let at = 0;
    await this.expectReplies(requests, async () => {
      await connection.until(() => connection.heard.messages.length > at, COMES_MS);
      at += 1;
      return connection.heard.messages[at - 1];
    });
  }

  /** A peer of libzmq's own that sends many messages of all kinds, and gets an answer to each. */
  private async exchange(random: Random, type: number, note: Note): Promise<void> {
    count(this.journal.outcomes, type === PeerType.dealer ? "peer: DEALER" : "peer: ROUTER");
    using peer = this.peer(type);
    const requests = this.anyRequests(random, note);
    for (const { frames } of requests) peer.send(frames);
    await this.expectReplies(requests, async () => await peer.receive());
  }

  private anyRequests(random: Random, note: Note): Request[] {
    const requests = random.list(random.between(1, 12), () => requestOf(anyFrames(random)));
    note(() => requests.map(({ frames }) => shown(frames)).join(" "));
    for (const request of requests) this.journal.willSend(request);
    return requests;
  }

  /** That each gets its own reply, in any order. */
  private async expectReplies(
    requests: readonly Request[],
    next: () => Promise<Buffer[] | undefined>,
  ): Promise<void> {
    const expected = new Map<string, Request[]>();
    for (const request of requests) {
      const reply = key([...request.envelope, Buffer.from(request.reply)]);
      expected.set(reply, [...(expected.get(reply) ?? []), request]);
    }
    for (let left = requests.length; left > 0; left -= 1) {
      const reply = await next();
      must(reply !== undefined, `${left} of ${requests.length} messages got no answer`);
      const request = expected.get(key(reply))?.pop();
      if (request === undefined) {
        const text = reply.map((each) => JSON.stringify(each.toString().slice(0, 300))).join(", ");
        throw new Error(`An answer that belongs to no message: ${text}`);
      }
      this.journal.wasAnswered(request);
    }
  }

  /** A peer that sends one message and waits, as senders do. */
  private async request(random: Random, note: Note): Promise<void> {
    count(this.journal.outcomes, "peer: REQ");
    using peer = this.peer(PeerType.req);
    const body = anyBody(random);
    if (body.length === 0) body.push(Buffer.alloc(0));
    const request = requestOf([Buffer.alloc(0), ...body]);
    note(() => shown(body));
    this.journal.willSend(request);
    peer.send(body);
    const reply = await peer.receive();
    must(reply !== undefined, "A REQ got no answer");
    must(
      reply.length === 1 && reply[0]?.toString() === request.reply,
      `${String(reply)} is not ${request.reply}`,
    );
    this.journal.wasAnswered(request);
  }

  /** A peer that goes before it is answered, also in the middle of a message. */
  private async vanish(random: Random, note: Note): Promise<void> {
    count(this.journal.outcomes, "peer: vanishes");
    using peer = this.peer(
      random.pick([PeerType.dealer, PeerType.router, PeerType.req]),
      random.chance(0.5),
    );
    const times = peer.type === PeerType.req ? 1 : random.between(1, 12);
    const messages: (readonly Buffer[])[] = [];
    note(() => messages.map(shown).join(" "));
    for (let at = 0; at < times; at += 1) {
      const frames = peer.type === PeerType.req ? validBody(random, FUZZ_NODE) : anyFrames(random);
      this.journal.willSend(
        requestOf(peer.type === PeerType.req ? [Buffer.alloc(0), ...frames] : frames),
      );
      messages.push(frames);
      // Where the hub has another of its name, it is shut out and cannot send.
      if (!trySend(() => peer.send(frames))) return;
    }
    if (peer.type !== PeerType.req && random.chance(0.4)) {
      const to = peer.type === PeerType.router ? [Buffer.from(HUB_ID)] : [];
      const part = [...to, ...anyFrames(random)];
      if (!part.every((each) => trySend(() => peer.socket.send(each, true)))) return;
    }
    await Bun.sleep(random.below(8));
  }

  private peer(type: number, named = false): FuzzPeer {
    return new FuzzPeer(this.context, type, this.endpoint, named);
  }

  /** A connection as libzmq's own, byte for byte, whole or in drops. */
  private async speakRight(random: Random, note: Note): Promise<void> {
    count(this.journal.outcomes, "TCP: right");
    const request = requestOf([Buffer.alloc(0), ...validBody(random, FUZZ_NODE)]);
    this.journal.willSend(request);
    const parts = [handshake("REQ"), message(request.frames)];
    const chunks = chunksOf(random, parts, random.chance(0.5));
    note(() => shown(chunks.map(({ bytes }) => bytes)));
    const right = { what: "right", chunks, isReadied: true, resets: false, staysMs: COMES_MS };
    const [reply] = await this.speak(right, 1);
    must(reply?.map(String).join() === ",OK", `Right ZMTP got no OK: ${String(reply)}`);
    this.journal.wasAnswered(request);
  }

  private async speakWrong(random: Random, note: Note): Promise<void> {
    const conversation = anyConversation(random, validBody(random, WILD_NODE));
    count(this.journal.outcomes, `TCP: ${conversation.what}`);
    note(() => `${conversation.what}, ${shown(conversation.chunks.map(({ bytes }) => bytes))}`);
    await this.speak(conversation);
  }

  /** Makes a connection. @param replies it is ended once so many have come @returns what came */
  private async speak(
    { chunks, isReadied, resets, staysMs }: Conversation,
    replies = Number.POSITIVE_INFINITY,
  ): Promise<readonly Buffer[][]> {
    this.journal.connections += 1;
    using connection = new Connection(this.hub.port, resets);
    await connection.open(COMES_MS);
    for (const { bytes, waitMs, afterReady } of chunks) {
      if (waitMs > 0) await Bun.sleep(waitMs);
      if (afterReady && isReadied) await connection.ready(COMES_MS);
      else if (afterReady) await connection.until(() => connection.heard.isReady, READY_MS_MAX);
      if (connection.isOver) break;
      connection.send(bytes);
    }
    await connection.until(() => connection.heard.messages.length >= replies, staysMs);
    return connection.heard.messages;
  }

  [Symbol.dispose](): void {
    this.context[Symbol.dispose]();
  }
}

/** The good sender's thread. */
class GoodSender {
  private readonly ends = new Int32Array(new SharedArrayBuffer(4));
  private readonly worker = new Worker(new URL("good-sender.ts", import.meta.url));
  private readonly result = Promise.withResolvers<GoodSenderResult>();

  constructor(port: number, seed: number) {
    this.worker.onmessage = ({ data }: MessageEvent<GoodSenderResult>) => this.result.resolve(data);
    this.worker.onerror = ({ message: text }) => this.result.reject(new Error(text));
    const start: GoodSenderStart = { port, seed, pauseMs: GOOD_PAUSE_MS, ends: this.ends };
    this.worker.postMessage(start);
  }

  async end(): Promise<GoodSenderResult> {
    Atomics.store(this.ends, 0, 1);
    Atomics.notify(this.ends, 0);
    try {
      return await this.result.promise;
    } finally {
      this.worker.terminate();
    }
  }
}

async function runFrames(
  name: string,
  program: Program,
  options: FuzzOptions,
): Promise<FuzzResult> {
  const {
    seed,
    start = 0,
    iterations = Number.POSITIVE_INFINITY,
    seconds = Number.POSITIVE_INFINITY,
  } = options;
  using outside = tempDir();
  await using hub = await startHub({
    program,
    // As deep as the names climb, so that whatever got out would be seen.
    dir: join(outside.path, "a/b/c/d"),
    settings: { hub: { max_images_write: 100_000_000, ...options.hub } },
  });
  using siege = new Siege(hub);
  const { journal } = siege;
  const good = new GoodSender(hub.port, seed);
  const startedMs = performance.now();
  let next = start;
  let done = 0;
  let failure: FuzzFailure | undefined;
  const isOver = () =>
    failure !== undefined ||
    next - start >= iterations ||
    performance.now() - startedMs >= seconds * 1000;

  const underWay = new Set<number>();
  const lane = async (): Promise<void> => {
    while (!isOver()) {
      const iteration = next;
      next += 1;
      underWay.add(iteration);
      let show: (() => string) | undefined;
      try {
        await siege.act(Random.at(seed, iteration), (shower) => {
          show = shower;
        });
      } catch (error) {
        const first = Math.min(...underWay);
        const span = Math.max(...underWay) - first + 1;
        const input = `${show?.() ?? ""}\n  beside it: --start ${first} --iterations ${span}\n${lastLines(hub)}`;
        failure ??= new FuzzFailure(name, seed, iteration, input, error);
      }
      underWay.delete(iteration);
      done += 1;
    }
  };
  const progress = setInterval(
    () => options.onProgress?.({ iterations: done, outcomes: journal.outcomes }),
    1000,
  );
  try {
    await Promise.all(Array.from({ length: LANES }, lane));
  } finally {
    clearInterval(progress);
  }
  const ms = performance.now() - startedMs;
  const result = await good.end();
  if (failure !== undefined) throw failure;
  try {
    const figures = await settle(hub, outside.path, journal, result);
    return { iterations: done, outcomes: journal.outcomes, ms, figures };
  } catch (error) {
    throw new FuzzFailure(name, seed, undefined, lastLines(hub), error);
  }
}

function lastLines(hub: Hub): string {
  const state = existsSync(`/proc/${hub.pid}`) ? "runs" : "has ended";
  return `  the hub ${state}, its last lines:\n${hub.output().trimEnd().split("\n").slice(-40).join("\n")}`;
}

/** Fuzzes a hub that runs. */
export function framesTarget(program: Program): FuzzTarget {
  const name = program === "source" ? "frames" : `frames-${program}`;
  return {
    name,
    promise:
      "each message is answered as it must be, a good sender is served, and what was answered OK stands",
    run: async (options) => await runFrames(name, program, options),
  };
}
