/**
 * Fuzzes a hub from the network: messages of any frames from peers of several kinds, peers that vanish, and TCP
 * connections with anything on them, while a good sender beside them wants its images stored.
 *
 * Seen when a line was taken out of a copy of the sources (seed 20181230): a malformed request that ends the receiver, and a
 * header longer than its buffer, at iteration 0; hops of one request in the reply to the next, 3; frames miscounted, 4;
 * hops without bound, and a delimiter in the reply to who sent none, 5; a node's name taken as it is, 232. In the end,
 * by what stood on the disk: images one byte short; two of a hundred images answered and not stored; frames left over that were
 * taken for the next request; events cut, or on two lines of the log.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { constants as os } from "node:os";
import { join, relative } from "node:path";
import { parseRequest, RequestError } from "../../src/request.ts";
import { Context, type Socket, SocketOption, ZmqError } from "../../src/zmq/libzmq.ts";
import type { Program } from "../support/available.ts";
import { type Hub, startHub } from "../support/hub.ts";
import { tempDir } from "../support/temp.ts";
import { PeerType, receiveFrames, sendFrames } from "../support/zmq-peer.ts";
import { GOOD_NODE, type GoodSenderResult, type GoodSenderStart } from "./good-sender.ts";
import { mustBeSafeName } from "./names.ts";
import { Random } from "./random.ts";
import {
  count,
  FuzzFailure,
  type FuzzOptions,
  type FuzzResult,
  type FuzzTarget,
  must,
  mustBeOneLine,
} from "./target.ts";
import { anyRequest } from "./texts.ts";
import { anyConversation, chunksOf, type Conversation, handshake, message, READY_BYTES } from "./zmtp.ts";

/** Iterations under way at once. */
const LANES = 12;

/** How long a reply or the end of a connection is waited for, in milliseconds. */
const COMES_MS = 15_000;

/** How long a connection with faults waits for the hub's part of the handshake, which may not come, in milliseconds. */
const READY_MS_MAX = 50;

/** Between two images of the good sender, in milliseconds: it measures, it is no load. */
const GOOD_PAUSE_MS = 5;

/** Longest frame 1, in bytes, and most frames before the delimiter (`src/receiver/reply-socket.ts`). */
const HEADER_BYTES_MAX = 64 * 1024;
const HOPS_MAX = 8;

/** Frames of random bytes are mostly short; a few are as long as this, in bytes. */
const FRAME_BYTES_MAX = 300_000;

/** Nodes of images that are right, and of those in connections with faults. */
const FUZZ_NODE = "Fuzz";
const WILD_NODE = "Wild";

/** ZMQ_CONNECT_ROUTING_ID: what a ROUTER calls the peer that it connects to next. */
const CONNECT_ROUTING_ID = 61;

/** ZMQ_ROUTING_ID, here with four bytes. */
const ROUTING_ID = 5;
const NAME = 0x61_62_63_64;

/** What a ROUTER calls the hub. */
const HUB_ID = "hub";

/** `-2018-12-30T23.13.31.620992.jpg` */
const IMAGE_NAME = /^(?<name>.+)-(?<date>\d{4}-\d\d-\d\d)T\d\d\.\d\d\.\d\d\.\d{6}\.jpg$/u;
const LOG_LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ~ (?<text>.*)$/u;

/** A message, what it must be answered with, and what must stand then. */
interface Request {
  readonly frames: readonly Buffer[];
  /** Frames before the reply's last one. */
  readonly envelope: readonly Buffer[];
  /** The reply's last frame, `OK` or `ERROR …`. */
  readonly reply: string;
  /** The image's name where one is stored, and whether as it was sent. */
  readonly image?: { readonly name: string; readonly isEncoded: boolean };
  readonly event?: string;
}

function sha256(bytes: Uint8Array): string {
  return Bun.SHA256.hash(bytes, "hex");
}

/** Frames as one text, by which they are found again. */
function key(frames: readonly Uint8Array[]): string {
  return frames.map((each) => Buffer.from(each).toString("latin1")).join("\0|\0");
}

/** What a peer's frames mean, worked out from what it sends as libzmq hands it to a ROUTER. */
function requestOf(frames: readonly Buffer[]): Request {
  const delimiter = frames.findIndex((each) => each.byteLength === 0);
  if (delimiter < 0 || delimiter > HOPS_MAX) {
    return { frames, envelope: [], reply: "ERROR the request has no empty delimiter frame" };
  }
  const envelope = frames.slice(0, delimiter + 1);
  const [header, payload, ...rest] = frames.slice(delimiter + 1);
  if (header === undefined)
    return { frames, envelope, reply: "ERROR the request has no frames, 2 were expected" };
  if (payload === undefined)
    return { frames, envelope, reply: "ERROR the request has 1 frame, 2 were expected" };
  if (rest.length > 0) {
    return { frames, envelope, reply: `ERROR the request has ${rest.length + 2} frames, 2 were expected` };
  }
  if (header.byteLength > HEADER_BYTES_MAX) {
    return {
      frames,
      envelope,
      reply: `ERROR frame 1 has ${header.byteLength} bytes, more than ${HEADER_BYTES_MAX}`,
    };
  }
  try {
    const request = parseRequest(header, payload.byteLength);
    if (request.kind === "event") return { frames, envelope, reply: "OK", event: request.text };
    if (request.kind !== "image") return { frames, envelope, reply: "OK" };
    const image = { name: request.name, isEncoded: request.raw !== undefined };
    return { frames, envelope, reply: "OK", image };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { frames, envelope, reply: `ERROR ${error.message}` };
  }
}

function validBody(random: Random, node: string): Buffer[] {
  const payload = Buffer.concat([
    Buffer.of(0xff, 0xd8),
    random.bytes(random.between(16, 4000)),
    Buffer.of(0xff, 0xd9),
  ]);
  return [Buffer.from(JSON.stringify({ msg: `${node}|jpg|moving` })), payload];
}

const anyFrame = (random: Random): Buffer =>
  random.bytes(random.skewed(random.chance(0.03) ? FRAME_BYTES_MAX : 300));

/** Frames after the delimiter. */
function anyBody(random: Random): Buffer[] {
  switch (random.below(8)) {
    case 0:
      return random.list(random.pick([0, 1, 1, 3, 4, 1000]), () => random.bytes(random.below(40)));
    case 1:
      return [anyFrame(random), anyFrame(random)];
    case 2:
      return random.list(random.between(1, 3), () => random.bytes(random.skewed(FRAME_BYTES_MAX)));
    case 3:
    case 4:
      return validBody(random, FUZZ_NODE);
    default: {
      const { header, payloadBytes } = anyRequest(random, 100_000);
      return [header, random.bytes(payloadBytes)];
    }
  }
}

/** All frames of a message, the delimiter included where it has one. */
function anyFrames(random: Random): Buffer[] {
  const body = anyBody(random);
  switch (random.below(8)) {
    case 0:
      return body.length === 0 ? [Buffer.of(1)] : body;
    case 1:
      return random.list(random.pick([1, 2, 8, 9, 10, 1000]), () => random.bytes(1 + random.skewed(30)));
    case 2: {
      const hops = random.list(random.between(1, 10), () => random.bytes(1 + random.skewed(5000)));
      return [...hops, Buffer.alloc(0), ...body];
    }
    case 3:
      return [random.bytes(1 + random.skewed(FRAME_BYTES_MAX)), Buffer.alloc(0), ...body];
    case 4:
      return [Buffer.alloc(0), Buffer.alloc(0), ...body];
    default:
      return [Buffer.alloc(0), ...body];
  }
}

/** A peer of any type. */
class FuzzPeer implements Disposable {
  readonly socket: Socket;

  /** @param named whether it has a name that others have too, of which the hub takes in only the first */
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
    this.socket.connect(endpoint);
  }

  /** Sends a message. A ROUTER has to say to whom. */
  send(frames: readonly Uint8Array[]): void {
    sendFrames(this.socket, this.type === PeerType.router ? [HUB_ID, ...frames] : frames);
  }

  /** The next message, without holding up what else goes on in this thread. @returns undefined where none comes */
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

/** What was sent and answered, for the look at the files in the end. */
class Journal {
  readonly outcomes = new Map<string, number>();
  /** Images answered `OK`, by name and hash; those that the hub encodes by name alone. */
  readonly images = new Map<string, number>();
  readonly encoded = new Map<string, number>();
  readonly events = new Map<string, number>();
  /** Hashes of all that may stand in a file. */
  readonly sent = new Set<string>();
  messages = 0;
  replies = 0;
  connections = 0;

  willSend({ frames, image }: Request): void {
    this.messages += 1;
    if (image !== undefined && !image.isEncoded) this.sent.add(sha256(frames.at(-1)!));
  }

  wasAnswered({ frames, image, event, reply }: Request): void {
    this.replies += 1;
    count(this.outcomes, reply === "OK" ? "answered OK" : "answered ERROR");
    if (event !== undefined) count(this.events, event);
    if (image === undefined) return;
    if (image.isEncoded) count(this.encoded, image.name);
    else count(this.images, `${image.name} ${sha256(frames.at(-1)!)}`);
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
  return JSON.stringify(texts.length <= 20 ? texts : [...texts.slice(0, 20), `… ${texts.length} in all`]);
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
    if (action < 6) await this.exchange(random, PeerType.dealer, note);
    else if (action < 8) await this.exchange(random, PeerType.router, note);
    else if (action < 10) await this.request(random, note);
    else if (action < 13) await this.vanish(random, note);
    else if (action < 14) await this.speakRight(random, note);
    else await this.speakWrong(random, note);
  }

  /** A peer that sends many messages of all kinds, and gets an answer to each. */
  private async exchange(random: Random, type: number, note: Note): Promise<void> {
    count(this.journal.outcomes, type === PeerType.dealer ? "peer: DEALER" : "peer: ROUTER");
    using peer = this.peer(type);
    const requests = random.list(random.between(1, 12), () => requestOf(anyFrames(random)));
    note(() => requests.map(({ frames }) => shown(frames)).join(" "));
    for (const request of requests) {
      this.journal.willSend(request);
      peer.send(request.frames);
    }
    const expected = new Map<string, Request[]>();
    for (const request of requests) {
      const reply = key([...request.envelope, Buffer.from(request.reply)]);
      expected.set(reply, [...(expected.get(reply) ?? []), request]);
    }
    for (let left = requests.length; left > 0; left -= 1) {
      const reply = await peer.receive();
      must(reply !== undefined, `${left} of ${requests.length} messages got no answer`);
      const request = expected.get(key(reply))?.pop();
      const text = reply.map((each) => JSON.stringify(each.toString().slice(0, 300))).join(", ");
      must(request !== undefined, `An answer that belongs to no message: ${text}`);
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
    using peer = this.peer(random.pick([PeerType.dealer, PeerType.router, PeerType.req]), random.chance(0.5));
    const times = peer.type === PeerType.req ? 1 : random.between(1, 12);
    const messages: (readonly Buffer[])[] = [];
    note(() => messages.map(shown).join(" "));
    for (let at = 0; at < times; at += 1) {
      const frames = peer.type === PeerType.req ? validBody(random, FUZZ_NODE) : anyFrames(random);
      this.journal.willSend(requestOf(peer.type === PeerType.req ? [Buffer.alloc(0), ...frames] : frames));
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
    const answer = message([Buffer.alloc(0), Buffer.from("OK")]);
    const got = await this.speak({ what: "right", chunks, resets: false, staysMs: COMES_MS }, answer);
    must(got.includes(answer), `Right ZMTP got no OK: ${got.toString("hex")}`);
    this.journal.wasAnswered(request);
  }

  private async speakWrong(random: Random, note: Note): Promise<void> {
    const conversation = anyConversation(random, validBody(random, WILD_NODE));
    count(this.journal.outcomes, `TCP: ${conversation.what}`);
    note(() => `${conversation.what}, ${shown(conversation.chunks.map(({ bytes }) => bytes))}`);
    await this.speak(conversation);
  }

  /** Makes a connection. @param until it is ended once this came @returns what came */
  private async speak({ chunks, resets, staysMs }: Conversation, until?: Buffer): Promise<Buffer> {
    this.journal.connections += 1;
    let got = Buffer.alloc(0);
    let isOver = false;
    const socket = connect({ port: this.hub.port, host: "127.0.0.1", noDelay: true });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      isOver = true;
    });
    socket.on("data", (bytes) => {
      got = Buffer.concat([got, Buffer.from(bytes)]);
    });
    try {
      await waitUntil(() => isOver || !socket.connecting, COMES_MS);
      for (const { bytes, waitMs, afterReady } of chunks) {
        if (waitMs > 0) await Bun.sleep(waitMs);
        if (afterReady)
          await waitUntil(() => isOver || got.byteLength >= READY_BYTES, until ? COMES_MS : READY_MS_MAX);
        if (isOver) break;
        socket.write(bytes);
      }
      await waitUntil(() => isOver || (until !== undefined && got.includes(until)), staysMs);
      return got;
    } finally {
      if (resets) socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  [Symbol.dispose](): void {
    this.context[Symbol.dispose]();
  }
}

/** Waits until it is so, but no longer than this. */
async function waitUntil(isSo: () => boolean, msMax: number): Promise<void> {
  const endMs = performance.now() + msMax;
  while (!isSo() && performance.now() < endMs) await Bun.sleep(1);
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

function percentile(sorted: readonly number[], share: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1);
}

/** Counts what is missing of what must be there. */
function missing(wanted: ReadonlyMap<string, number>, found: ReadonlyMap<string, number>): string[] {
  return [...wanted].filter(([what, times]) => (found.get(what) ?? 0) < times).map(([what]) => what);
}

/** What stands below `images/` in the end. */
interface Stored {
  /** By name and hash. */
  readonly images: ReadonlyMap<string, number>;
  /** By name, what begins and ends as a JPEG and was not sent so. */
  readonly encoded: ReadonlyMap<string, number>;
  /** Hashes of the good sender's images. */
  readonly good: ReadonlySet<string>;
  readonly files: number;
}

/** Looks at every file there is. @param root as far up as a name could climb */
function readStored(hub: Hub, root: string, sent: ReadonlySet<string>): Stored {
  const images = new Map<string, number>();
  const encoded = new Map<string, number>();
  const good = new Set<string>();
  let files = 0;
  const here = relative(root, hub.dataDir);
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const folder = relative(root, entry.parentPath);
    const path = join(folder, entry.name);
    if (folder !== `${here}/images/${hub.today()}`) {
      const isKnown = new RegExp(
        `^(?:${here}/(?:logs/imagehub\\.log|\\.imagehub\\.lock)|[^\\n]*/imagehub\\.yaml)$`,
      ).test(path);
      must(isKnown && entry.isFile(), `A file where none belongs: ${JSON.stringify(path)}`);
      continue;
    }
    files += 1;
    const { name, date } = IMAGE_NAME.exec(entry.name)?.groups ?? {};
    must(name !== undefined && date === hub.today(), `A file with an odd name: ${JSON.stringify(path)}`);
    mustBeSafeName(name);
    const bytes = readFileSync(join(root, path));
    const hash = sha256(bytes);
    count(images, `${name} ${hash}`);
    if (name === GOOD_NODE) good.add(hash);
    if (sent.has(hash)) continue;
    must(
      name !== FUZZ_NODE,
      `A file that was not sent so, of ${bytes.byteLength} bytes: ${JSON.stringify(path)}`,
    );
    if (bytes.readUInt16BE(0) === 0xffd8 && bytes.readUInt16BE(bytes.byteLength - 2) === 0xffd9)
      count(encoded, name);
  }
  return { images, encoded, good, files };
}

function checkLog(hub: Hub, events: ReadonlyMap<string, number>): number {
  const logged = new Map<string, number>();
  const lines = hub.log();
  for (const line of lines) {
    mustBeOneLine(line, "A line of the event log");
    const text = LOG_LINE.exec(line)?.groups?.["text"];
    must(text !== undefined, `A line of the event log has another form: ${JSON.stringify(line)}`);
    count(logged, text);
  }
  const lost = missing(events, logged);
  must(lost.length === 0, `${lost.length} events answered OK are not in the log: ${JSON.stringify(lost[0])}`);
  return lines.length;
}

function peakMemory(hub: Hub): string {
  const status = readFileSync(`/proc/${hub.pid}/status`, "utf8");
  return `${Math.round(Number(/VmHWM:\s*(\d+)/.exec(status)?.[1]) / 1024)} MiB`;
}

/** Stops the hub and looks at all that it left. @returns figures */
async function settle(
  hub: Hub,
  root: string,
  journal: Journal,
  good: GoodSenderResult,
): Promise<Record<string, string>> {
  must(good.faults.length === 0, `The good sender: ${good.faults.slice(0, 3).join("; ")}`);
  must(good.stored.length > 0, "The good sender sent nothing");
  const memory = peakMemory(hub);
  const stopMs = performance.now();
  const status = await hub.stop();
  const stoppedMs = performance.now() - stopMs;
  must(status === 0, `The hub ended with status ${status}`);

  const stored = readStored(hub, root, journal.sent);
  const lostGood = good.stored.filter((hash) => !stored.good.has(hash));
  must(
    lostGood.length === 0,
    `${lostGood.length} images of the good sender, answered OK, are not there as they were sent`,
  );
  const sentGood = new Set(good.stored);
  const partial = [...stored.good].filter((hash) => !sentGood.has(hash));
  must(partial.length === 0, `${partial.length} images of the good sender are not as they were sent`);
  const lost = missing(journal.images, stored.images);
  must(lost.length === 0, `${lost.length} images answered OK are not there as they were sent: ${lost[0]}`);
  const lostRaw = missing(journal.encoded, stored.encoded);
  must(
    lostRaw.length === 0,
    `${lostRaw.length} arrays answered OK are not there as JPEGs: ${JSON.stringify(lostRaw[0])}`,
  );
  const lines = checkLog(hub, journal.events);

  const latencies = good.latenciesMs.toSorted((a, b) => a - b);
  return {
    messages: `${journal.messages} sent, ${journal.replies} answered`,
    connections: String(journal.connections),
    "good sender": `${good.stored.length} OK of ${good.latenciesMs.length}, p50 ${percentile(latencies, 0.5)}, p99 ${percentile(latencies, 0.99)}, max ${percentile(latencies, 1)} ms`,
    images: `${stored.files} stored`,
    "event log": `${lines} lines`,
    "hub's peak memory": memory,
    stop: `exit 0 after ${stoppedMs.toFixed(0)} ms`,
  };
}

async function runFrames(name: string, program: Program, options: FuzzOptions): Promise<FuzzResult> {
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
    failure !== undefined || next - start >= iterations || performance.now() - startedMs >= seconds * 1000;

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
        const input = `${show?.() ?? ""}\n  beside it: iterations ${[...underWay].join(", ")}\n${lastLines(hub)}`;
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
