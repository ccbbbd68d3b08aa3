/**
 * Data that is sent over TCP with ZeroMQ: greetings, commands and frames of ZMTP (RFC 23), older
 * versions of it, other protocols, and all of these with faults.
 *
 * @module
 */

import { mutateBytes, type Random } from "./random.ts";

/** Bytes that are sent at once over one TCP connection, and what to wait for before. */
interface Chunk {
  readonly bytes: Buffer;
  readonly waitMs: number;
  /**
   * Whether to wait for the other side's part of the handshake first: libzmq accepts no message
   * before.
   */
  readonly afterReady: boolean;
}

/** A connection to make. */
export interface Conversation {
  /** Its kind. */
  readonly what: string;
  readonly chunks: readonly Chunk[];
  /** Whether the handshake is valid, so that the other side's part of it must come. */
  readonly isReadied: boolean;
  /** Whether it is closed or reset at the end. */
  readonly resets: boolean;
  /** How long the connection is kept after its last bytes, in milliseconds. */
  readonly staysMs: number;
}

const MORE = 1;
const LONG = 2;
const COMMAND = 4;

const SHORT_BYTES_MAX = 255;

const GREETING_BYTES = 64;

/** A frame with its flags. */
function frame(flags: number, body: Uint8Array, says: number | bigint = body.byteLength): Buffer {
  if (body.byteLength <= SHORT_BYTES_MAX && says <= SHORT_BYTES_MAX) {
    return Buffer.concat([Buffer.of(flags, Number(says)), body]);
  }
  const head = Buffer.alloc(9);
  head[0] = flags | LONG;
  head.writeBigUInt64BE(BigInt.asUintN(64, BigInt(says)), 1);
  return Buffer.concat([head, body]);
}

/** The first bytes of a libzmq 4.3. */
function greeting(mechanism = "NULL", version: readonly [number, number] = [3, 1]): Buffer {
  const bytes = Buffer.alloc(GREETING_BYTES);
  bytes[0] = 0xff;
  bytes[8] = 1;
  bytes[9] = 0x7f;
  bytes[10] = version[0];
  bytes[11] = version[1];
  bytes.write(mechanism, 12, 20, "latin1");
  return bytes;
}

function property(name: string, value: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.byteLength);
  return Buffer.concat([Buffer.of(name.length), Buffer.from(name, "latin1"), length, value]);
}

function command(name: string, data: Uint8Array = Buffer.alloc(0)): Buffer {
  return frame(COMMAND, Buffer.concat([Buffer.of(name.length), Buffer.from(name, "latin1"), data]));
}

/** A client's whole part of the handshake. */
export function handshake(socketType = "DEALER"): Buffer {
  return Buffer.concat([greeting(), ready(socketType)]);
}

/** The command that ends the handshake without security. */
function ready(socketType = "REQ", identity: Uint8Array = Buffer.alloc(0)): Buffer {
  return command(
    "READY",
    Buffer.concat([
      property("Socket-Type", Buffer.from(socketType)),
      property("Identity", identity),
    ]),
  );
}

/** A message with these frames. */
export function message(frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(frames.map((each, at) => frame(at < frames.length - 1 ? MORE : 0, each)));
}

const SOCKET_TYPES = [
  "REQ",
  "DEALER",
  "ROUTER",
  "REP",
  "PUB",
  "SUB",
  "PAIR",
  "PUSH",
  "",
  "X",
  "STREAM",
  "SERVER",
];

/** A routing id, or something that libzmq does not accept as one. */
function anyIdentity(random: Random): Buffer {
  return random.pick([
    Buffer.alloc(0),
    Buffer.from("same"),
    Buffer.from([0, 0, 0, 0, 1]),
    random.bytes(255),
    random.bytes(300),
  ]);
}

function anyCommand(random: Random): Buffer {
  const data = random.bytes(random.skewed(300));
  return random.pick([
    () => command("PING", Buffer.concat([Buffer.of(0, 1), random.bytes(random.below(40))])),
    () => command("PONG", random.bytes(random.below(20))),
    () => command("PING"),
    () => command("ERROR", Buffer.of(200, 1, 2)),
    () => command("SUBSCRIBE", data),
    () => command("CANCEL", data),
    () => command("JOIN", data),
    () => command("HELLO", data),
    () => command("INITIATE", data),
    () => command(String.fromCodePoint(random.below(128)).repeat(random.below(255)), data),
    () => frame(COMMAND | MORE, data),
    () => frame(COMMAND, Buffer.alloc(0)),
    () => frame(COMMAND, Buffer.of(255)),
    () => ready(random.pick(SOCKET_TYPES), anyIdentity(random)),
    () =>
      frame(
        random.below(256),
        data,
        random.pick([0, 1, 255, 256, data.length + 1, 2 ** 31, 2n ** 63n, 2n ** 64n - 1n]),
      ),
  ])();
}

/** Frames like a sender's, but not necessarily valid. */
function anyMessage(random: Random, request: readonly Uint8Array[]): Buffer {
  const count = random.pick([0, 1, 2, 3, 4, 8, 9, 10, 50]);
  const frames = random.list(count, () => random.bytes(random.skewed(400)));
  return random.chance(0.5)
    ? message(["", ...frames].map((each) => Buffer.from(each)))
    : message([Buffer.alloc(0), ...request]);
}

/** ZMTP 1.0: frames from the first byte on; the first frame is the identity. */
function versionOne(random: Random, request: readonly Uint8Array[]): Buffer {
  const frames = [anyIdentity(random), Buffer.alloc(0), ...request].map((body, at, all) => {
    const flags = at > 0 && at < all.length - 1 ? MORE : 0;
    if (body.byteLength + 1 < SHORT_BYTES_MAX)
      return Buffer.concat([Buffer.of(body.byteLength + 1, flags), body]);
    const head = Buffer.alloc(10);
    head[0] = 0xff;
    head.writeBigUInt64BE(BigInt(body.byteLength + 1), 1);
    head[9] = flags;
    return Buffer.concat([head, body]);
  });
  return Buffer.concat(frames);
}

/** ZMTP 2.0: a signature, the revision, the socket type, and frames. */
function versionTwo(random: Random, request: readonly Uint8Array[]): Buffer {
  const signature = Buffer.from([
    0xff,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    0x7f,
    random.pick([0, 1, 2, 4, 255]),
    random.below(14),
  ]);
  return Buffer.concat([
    signature,
    frame(0, anyIdentity(random)),
    message([Buffer.alloc(0), ...request]),
  ]);
}

const STRANGERS = [
  "GET / HTTP/1.1\r\nHost: hub\r\n\r\n",
  "OPTIONS rtsp://hub/ RTSP/1.0\r\n\r\n",
  "SSH-2.0-OpenSSH_9.6\r\n",
  "\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003",
  "EHLO hub\r\n",
  "*1\r\n$4\r\nPING\r\n",
  "\0",
] as const;

/** Parses what a libzmq sends over one connection. */
export class Listener {
  /**
   * Whether it has finished its part of the handshake. Before that, it treats a message as a
   * protocol error.
   */
  isReady = false;
  /** Its complete messages. */
  readonly messages: Buffer[][] = [];
  private isGreeted = false;
  private frames: Buffer[] = [];
  private rest = Buffer.alloc(0);

  /** Adds the next bytes. */
  hear(bytes: Uint8Array): void {
    this.rest = Buffer.concat([this.rest, bytes]);
    if (!this.isGreeted) {
      if (this.rest.byteLength < GREETING_BYTES) return;
      this.rest = this.rest.subarray(GREETING_BYTES);
      this.isGreeted = true;
    }
    for (let end = frameEnd(this.rest); end <= this.rest.byteLength; end = frameEnd(this.rest)) {
      const flags = this.rest[0]!;
      this.take(flags, this.rest.subarray(flags & LONG ? 9 : 2, end));
      this.rest = this.rest.subarray(end);
    }
  }

  private take(flags: number, body: Buffer): void {
    if (flags & COMMAND) {
      this.isReady ||= body.toString("latin1", 0, 6) === "\u0005READY";
      return;
    }
    this.frames.push(body);
    if (flags & MORE) return;
    this.messages.push(this.frames);
    this.frames = [];
  }
}

/** The end of the first frame in these bytes; infinity if they do not contain it yet. */
function frameEnd(bytes: Buffer): number {
  const isLong = (bytes[0] ?? 0) & LONG;
  if (bytes.byteLength < (isLong ? 9 : 2)) return Number.POSITIVE_INFINITY;
  return isLong ? 9 + Number(bytes.readBigUInt64BE(1)) : 2 + bytes[1]!;
}

/**
 * The chunks that a client sends: the handshake, then the rest. If `drips`, each is cut into small
 * pieces.
 */
export function chunksOf(random: Random, parts: readonly Buffer[], drips: boolean): Chunk[] {
  return parts.flatMap((part, index) =>
    (drips ? cutUp(random, part) : [part]).map((bytes, at) => ({
      bytes,
      waitMs: drips ? random.below(12) : 0,
      afterReady: index === 1 && at === 0,
    })),
  );
}

function cutUp(random: Random, bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let rest = bytes;
  for (let left = random.between(2, 12); left > 1 && rest.length > 1; left -= 1) {
    const length = random.between(1, 1 + random.skewed(rest.length - 1));
    parts.push(rest.subarray(0, length));
    rest = rest.subarray(length);
  }
  return [...parts, rest];
}

/**
 * A connection with a fault.
 *
 * @param request frames of an otherwise valid request
 */
export function anyConversation(random: Random, request: readonly Uint8Array[]): Conversation {
  const right = () => message([Buffer.alloc(0), ...request]);
  const mutate = (bytes: Uint8Array) => mutateBytes(random, bytes);
  const several = (make: () => Buffer) => Buffer.concat(random.list(random.between(1, 8), make));
  const oddType = () => ready(random.pick(SOCKET_TYPES), anyIdentity(random));
  const readied = () => handshake(random.pick(["REQ", "DEALER"]));
  const kinds: readonly (readonly [what: string, parts: () => Buffer[], isReadied?: true])[] = [
    ["all mutated", () => [mutate(Buffer.concat([handshake("REQ"), right()]))]],
    ["greeting mutated", () => [Buffer.concat([mutate(greeting()), ready()]), right()]],
    [
      "READY mutated",
      () => [Buffer.concat([greeting(), mutate(ready(random.pick(SOCKET_TYPES)))]), right()],
    ],
    ["message mutated", () => [readied(), mutate(right())], true],
    ["messages mutated", () => [readied(), mutate(Buffer.concat([right(), right()]))], true],
    [
      "odd mechanism",
      () => [greeting(random.pick(["CURVE", "PLAIN", "GSSAPI", "", "\u00ff"])), anyCommand(random)],
    ],
    [
      "odd version",
      () => [
        Buffer.concat([greeting("NULL", [random.below(256), random.below(5)]), ready()]),
        right(),
      ],
    ],
    ["odd peer", () => [Buffer.concat([greeting(), oddType()]), anyMessage(random, request)]],
    [
      "commands",
      () => [readied(), several(() => anyCommand(random)), anyMessage(random, request)],
      true,
    ],
    [
      "commands first",
      () => [Buffer.concat([greeting(), anyCommand(random), ready()]), anyMessage(random, request)],
    ],
    ["messages", () => [readied(), several(() => anyMessage(random, request))], true],
    ["messages too early", () => [Buffer.concat([handshake(), anyMessage(random, request)])]],
    ["message in part", () => [readied(), right().subarray(0, random.below(right().length))], true],
    ["ZMTP 1", () => [versionOne(random, request)]],
    ["ZMTP 1 mutated", () => [mutate(versionOne(random, request))]],
    ["ZMTP 2", () => [versionTwo(random, request)]],
    ["ZMTP 2 mutated", () => [mutate(versionTwo(random, request))]],
    ["another protocol", () => [Buffer.from(random.pick(STRANGERS), "latin1")]],
    ["random bytes", () => [random.bytes(random.skewed(3000))]],
    ["handshake in part", () => [handshake().subarray(0, random.below(handshake().length))]],
    ["nothing", () => []],
  ];
  const [what, make, isReadied = false] = random.pick(kinds);
  return {
    what,
    chunks: chunksOf(random, make(), random.chance(0.2)),
    isReadied,
    resets: random.chance(0.4),
    staysMs: random.skewed(60),
  };
}
