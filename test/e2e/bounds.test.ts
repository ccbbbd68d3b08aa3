/**
 * Limits on what a broken or hostile peer can take from a hub. Each test has a good sender beside
 * the peer.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ZmqError } from "../../src/zmq/library.ts";
import { Context, Socket, SocketOption } from "../../src/zmq/socket.ts";
import { command, frame, greeting, message, ready } from "../support/peers/zmtp.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, stopAndCount, until } from "../support/hub/output.ts";
import { RawPeer } from "../support/peers/raw-peer.ts";
import { Sender } from "../support/peers/sender.ts";
import { StalledLog } from "../support/hub/stalled-log.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Longer than all waits, so what a test holds is released before its context is.
setDefaultTimeout(120_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

const hubWith = (settings: Record<string, unknown>): Promise<Hub> =>
  startHub({ settings: { hub: { log_level: "debug", ...settings } } });

const good = (hub: Hub): Peer => new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`);

/** Sends an image of this size and expects it to be stored. */
function expectServed(camera: Peer, size = 10_000): void {
  camera.send(JSON.stringify({ msg: "Good|jpg|" }), jpeg(size));
  expect(camera.receive()).toEqual(["OK"]);
}

function jpeg(size: number): Buffer {
  return Buffer.concat([Buffer.of(0xff, 0xd8), Buffer.alloc(size - 4, 7), Buffer.of(0xff, 0xd9)]);
}

/** A peer with a finished handshake, as a DEALER. */
async function shakenHands(hub: Hub): Promise<RawPeer> {
  const peer = await RawPeer.connect(hub.port, greeting(), ready());
  await until(hub, () => peer.received().includes("READY"));
  return peer;
}

const request = (text: string, payload: Uint8Array): Buffer =>
  message(["", JSON.stringify({ msg: text }), payload]);

/** The first bytes of a frame that claims this length, without its content. */
function headOfFrame(bytes: bigint): Buffer {
  return frame(0, Buffer.alloc(0), bytes);
}

describe("max_message_bytes", () => {
  const MAX = 65_536;

  test("is the longest frame that is kept; a longer one is answered ERROR, and its sender goes on", async () => {
    await using hub = await hubWith({ max_message_bytes: MAX });
    using camera = good(hub);
    expectServed(camera, MAX);
    expect(hub.images().map(({ bytes }) => bytes.byteLength)).toEqual([MAX]);
    for (const size of [MAX + 1, 10 * 2 ** 20]) {
      camera.send(JSON.stringify({ msg: "Bad|jpg|" }), jpeg(size));
      expect(camera.receive()).toEqual([
        `ERROR frame 2 has ${size} bytes, more than ${MAX} (max_message_bytes)`,
      ]);
    }
    expectServed(camera);
    expect(await stopAndCount(hub)).toMatchObject({ status: 0, images: 2, refused: 2 });
    expect(linesWith(hub, "Connected: ")).toHaveLength(1);
  });
});

describe("max_unfinished_bytes", () => {
  const MAX = 2 ** 20;
  const BOUNDS = { max_message_bytes: 65_536, max_unfinished_bytes: MAX };

  test.each<[what: string, bytes: bigint]>([
    ["one byte more", BigInt(MAX + 1)],
    ["1 GiB", 2n ** 30n],
    ["2^63 bytes", 2n ** 63n],
    ["2^64 - 1 bytes", 2n ** 64n - 1n],
  ])("disconnects a peer at the head of a frame of %s", async (_, bytes) => {
    await using hub = await hubWith(BOUNDS);
    using camera = good(hub);
    expectServed(camera);
    using peer = await shakenHands(hub);
    peer.send(headOfFrame(bytes));
    await peer.closed();
    // Also before the handshake, in which a command may be as long.
    using stranger = await RawPeer.connect(hub.port, greeting());
    stranger.send(command("READY", Buffer.alloc(0), bytes));
    await stranger.closed();
    expectServed(camera);
    expect(linesWith(hub, "Connected: ")).toHaveLength(3);
  });

  // Without `look` in `Connections`, nobody is closed, and the hub keeps everything that arrives:
  // 400 MB here.
  test("has strangers closed whose messages do not come whole, and leaves a camera with a slow link alone", async () => {
    await using hub = await hubWith({ ...BOUNDS, max_unfinished_bytes: 20 * MAX });
    using camera = good(hub);
    expectServed(camera);
    using slow = await shakenHands(hub);
    slow.send(request("Slow|jpg|first", jpeg(1000)));
    await until(hub, () => slow.received().includes("OK"));
    const image = request("Slow|jpg|second", jpeg(60_000));
    slow.send(image.subarray(0, 50_000));
    const before = residentMb(hub.pid);
    using stack = new DisposableStack();
    const strangers: RawPeer[] = [];
    for (let count = 0; count < 40; count++) {
      const stranger = stack.use(await shakenHands(hub));
      stranger.send(frame(1, Buffer.alloc(10 * MAX, 1), BigInt(15 * MAX)));
      strangers.push(stranger);
      // Not everything must arrive between two looks.
      await Bun.sleep(80);
    }
    await until(hub, () => strangers.filter(({ isClosed }) => isClosed).length >= 38);
    const grownMb = residentMb(hub.pid) - before;
    console.log(
      `40 strangers sent 420 MB of messages that are not whole: ${Math.round(grownMb)} MB more`,
    );
    expect(grownMb).toBeLessThan(300);
    expect(linesWith(hub, "(max_unfinished_bytes)")[0]).toMatch(
      / warn {2}Closed a connection: messages that have not come whole hold too much memory \(max_unfinished_bytes\) from=127\.0\.0\.1:\d+/,
    );
    slow.send(image.subarray(50_000));
    await until(hub, () => slow.received().toString("latin1").split("OK").length === 3);
    expectServed(camera);
    expect(linesWith(hub, "The connection of")).toEqual([]);
  });

  test("has the log name a node whose connection is closed", async () => {
    await using hub = await hubWith(BOUNDS);
    using peer = await shakenHands(hub);
    peer.send(request("Barn|Temp|1", Buffer.from("x")));
    await until(hub, () => peer.received().includes("OK"));
    for (let part = 0; part < 3; part++) peer.send(frame(1, Buffer.alloc(500_000), 500_000n));
    await peer.closed();
    await until(hub, () => linesWith(hub, "The connection of Barn has ended").length > 0);
    expect(linesWith(hub, "The connection of Barn has ended")[0]).toMatch(
      / info {2}The connection of Barn has ended: messages .* \(max_unfinished_bytes\) node=Barn address=127\.0\.0\.1$/,
    );
  });
});

test("a PUB socket that connects is told, once a minute", async () => {
  await using hub = await hubWith({ log_level: "info" });
  for (let count = 0; count < 5; count++) {
    using peer = await RawPeer.connect(hub.port, greeting(), ready("PUB"));
    await peer.closed();
  }
  await until(
    hub,
    () => linesWith(hub, "a PUB, PUSH or SUB socket cannot send to this port").length > 0,
  );
  using camera = good(hub);
  expectServed(camera);
  expect(linesWith(hub, "a PUB, PUSH or SUB socket cannot send to this port")).toHaveLength(1);
  expect(linesWith(hub, "see the setting subscribe")[0]).toMatch(/ warn .* from=127\.0\.0\.1:\d+$/);
});

describe("handshake_timeout", () => {
  test.each<[what: string, opening: Buffer, drips: Buffer]>([
    ["is silent", Buffer.alloc(0), Buffer.alloc(0)],
    ["stops in its greeting", greeting().subarray(0, 11), Buffer.alloc(0)],
    ["drips its greeting", Buffer.alloc(0), greeting()],
    ["stops behind its greeting", greeting(), Buffer.alloc(0)],
    ["drips its READY", greeting(), ready()],
    ["drips as ZMTP 2.0 does", Buffer.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f), Buffer.of(1, 5)],
  ])("closes a connection that %s", async (_, opening, drips) => {
    await using hub = await hubWith({ handshake_timeout: 0.2 });
    using camera = good(hub);
    expectServed(camera);
    using peer = await RawPeer.connect(hub.port, opening);
    let at = 0;
    await peer.closed(() => {
      // The last byte of a long enough frame never arrives.
      if (at < drips.length - 1) peer.send(drips.subarray(at, ++at));
    });
    expectServed(camera);
    // It was not the good sender that was closed.
    expect(linesWith(hub, "Connected: ")).toHaveLength(2);
  });
});

describe("heartbeat_interval and heartbeat_timeout", () => {
  const HEARTBEATS = { heartbeat_interval: 0.2, heartbeat_timeout: 0.5 };

  // Like a camera with libzmq 4.2, which loses its connection at a PING. With heartbeats, one comes
  // within 0.2 s.
  test("are off: a peer that only listens hears nothing, and keeps its connection", async () => {
    await using hub = await hubWith({});
    using peer = await shakenHands(hub);
    await Bun.sleep(1500);
    expect(peer.received().includes("PING")).toBe(false);
    expect(peer.isClosed).toBe(false);
    peer.send(request("Old|jpg|", jpeg(1000)));
    await until(hub, () => peer.received().includes("OK"));
  });

  test.each<[what: string, opening: Buffer, drips: Buffer]>([
    ["has fallen silent", Buffer.alloc(0), Buffer.alloc(0)],
    ["has stopped in a frame", request("Bad|jpg|", jpeg(200)).subarray(0, 50), Buffer.alloc(0)],
    ["drips a frame", Buffer.alloc(0), request("Bad|jpg|", jpeg(60_000))],
  ])("close a connection that %s", async (_, opening, drips) => {
    await using hub = await hubWith(HEARTBEATS);
    using camera = good(hub);
    expectServed(camera);
    using peer = await shakenHands(hub);
    peer.send(opening);
    let at = 0;
    await peer.closed(() => peer.send(drips.subarray(at, ++at)));
    expect(peer.received().includes("PING")).toBe(true);
    expectServed(camera);
    expect(linesWith(hub, "Connected: ")).toHaveLength(2);
    expect(await stopAndCount(hub)).toMatchObject({ status: 0, images: 2, refused: 0 });
  });

  test("leave a connection that answers", async () => {
    await using hub = await hubWith(HEARTBEATS);
    using peer = await shakenHands(hub);
    let pings = 0;
    while (pings < 12) {
      const asked = peer.received().toString("latin1").split("PING").length - 1;
      for (; pings < asked; pings++) peer.send(command("PONG"));
      expect(peer.isClosed).toBe(false);
      await Bun.sleep(10);
    }
    peer.send(request("Good|jpg|", jpeg(1000)));
    await until(hub, () => peer.received().includes("OK"));
  });

  test.skipIf(lacks("python"))("leave idle cameras, which are served afterwards", async () => {
    await using hub = await hubWith(HEARTBEATS);
    await using pyzmq = new Sender(hub.port);
    using camera = good(hub);
    expect(await pyzmq.jpg("Barn|jpg|", { size: 10_000 })).toMatchObject({ reply: "OK" });
    expectServed(camera);
    // Another peer is closed for its silence, which shows that this takes no longer.
    for (let round = 0; round < 2; round++) {
      using silent = await shakenHands(hub);
      await silent.closed();
    }
    expect(await pyzmq.jpg("Barn|jpg|", { size: 10_000 })).toMatchObject({ reply: "OK" });
    expectServed(camera);
    expect(linesWith(hub, "Connected: ")).toHaveLength(4);
  });
});

test.each([
  ["3.2", Buffer.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5, 0, 0)],
  ["2.2", Buffer.of(1, 0)],
])(
  "a peer that opens its connection as libzmq %s does is closed, and the log says what is needed",
  async (_, opening) => {
    await using hub = await hubWith({});
    using old = await RawPeer.connect(hub.port, opening);
    await old.closed();
    await until(hub, () => linesWith(hub, "libzmq 4").length === 1);
    expect(linesWith(hub, "libzmq 4")[0]).toMatch(
      / warn {2}Closed a connection .* from=127\.0\.0\.1:\d+$/,
    );
  },
);

describe("max_connections", () => {
  test("closes further ones while the others go on, until there is room", async () => {
    await using hub = await hubWith({ max_connections: 3 });
    using first = good(hub);
    using second = good(hub);
    for (const camera of [first, second]) expectServed(camera);
    {
      using third = await shakenHands(hub);
      third.send(request("Third|Heartbeat", Buffer.from("x")));
      await until(hub, () => third.received().includes("OK"));
      for (let count = 0; count < 20; count++) {
        using further = await RawPeer.connect(hub.port, greeting(), ready());
        await further.closed();
        expectServed(first);
      }
      expect(third.isClosed).toBe(false);
      await until(hub, () => linesWith(hub, "(max_connections)").length > 0);
      const [line] = linesWith(hub, "(max_connections)");
      expect(line).toMatch(
        / warn {2}Closed a connection: there are 3 already \(max_connections\) from=127\.0\.0\.1:\d+$/,
      );
      third.send(request("Third|jpg|", jpeg(1000)));
      await until(hub, () => third.received().toString("latin1").split("OK").length === 3);
    }
    await until(hub, () => linesWith(hub, "Disconnected: ").length === 21);
    using fourth = good(hub);
    expectServed(fourth);
    for (const camera of [first, second]) expectServed(camera);
    await until(hub, () => linesWith(hub, "Connected: ").length === 24);
    expect(linesWith(hub, "Disconnected: ")).toHaveLength(21);
  });

  test("lets a new camera in, and closes the oldest of those that have never sent anything", async () => {
    await using hub = await hubWith({ max_connections: 3 });
    using first = good(hub);
    expectServed(first);
    using silent = await shakenHands(hub);
    using later = await shakenHands(hub);
    using camera = good(hub);
    expectServed(camera);
    await silent.closed();
    expect(later.isClosed).toBe(false);
    using another = good(hub);
    expectServed(another);
    await later.closed();
    for (const each of [first, camera]) expectServed(each);
  });
});

describe.skipIf(lacks("python"))("with a camera on pyzmq", () => {
  test("max_text_bytes is the longest text of an event in UTF-8, and more is refused", async () => {
    await using hub = await hubWith({ max_text_bytes: 40 });
    await using sender = new Sender(hub.port);
    const ascii = "Barn|Note|".padEnd(40, "x");
    const umlauts = `Barn|Note|${"ü".repeat(15)}`;
    for (const text of [ascii, umlauts])
      expect(await sender.event(text)).toMatchObject({ reply: "OK" });
    for (const text of [`${ascii}x`, `${umlauts}x`, `Barn|Note|${"x".repeat(60_000)}`])
      expect(await sender.event(text)).toMatchObject({
        reply: "ERROR the text is longer than 40 bytes",
      });
    const texts = hub.log().map((line) => line.slice(line.indexOf(" ~ ") + 3));
    expect(texts.filter((text) => text.includes("|"))).toEqual([ascii, umlauts]);
    await until(
      hub,
      () => linesWith(hub, "Refused a request: the text is longer than 40 bytes").length > 0,
    );
    expect(await stopAndCount(hub)).toMatchObject({ status: 0, events: 2, refused: 3 });
  });

  test("max_name_bytes is where a node's name is cut, between two characters", async () => {
    await using hub = await hubWith({ max_name_bytes: 9 });
    await using sender = new Sender(hub.port);
    for (const node of ["123456789", "1234567890", "üüüüü", "x".repeat(10_000)])
      expect(await sender.jpg(`${node}|jpg|`, { size: 1000 })).toMatchObject({ reply: "OK" });
    const names = hub.images().map(({ name }) => name.replace(/-\d{4}-.*$/, ""));
    expect(names.toSorted()).toEqual(["123456789", "123456789", "xxxxxxxxx", "üüüü"]);
  });
});

/** Memory that a process uses, in MB (10^6 bytes). */
function residentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return (Number(kib) * 1024) / 1e6;
}

/** Sends a message if that is possible at once. */
function trySend(socket: Socket, frames: readonly Buffer[]): boolean {
  try {
    for (const [index, each] of frames.entries()) socket.send(each, index < frames.length - 1);
    return true;
  } catch (error) {
    if (error instanceof ZmqError && error.message.includes("zmq_send")) return false;
    throw error;
  }
}

// With max_queue_bytes at 64 GiB, the hub takes all of it and grows to 2 GB.
test("max_queue_bytes bounds the memory of a hub that peers flood while its disk stalls", async () => {
  await using hub = await hubWith({ writers: 1, max_queue_bytes: 50 * 2 ** 20 });
  using stack = new DisposableStack();
  const camera = stack.use(good(hub));
  expectServed(camera);

  const stalled = stack.use(new StalledLog(hub.dataDir));
  camera.send(JSON.stringify({ msg: "Good|Temp|1" }), "x");

  const frames = [
    Buffer.alloc(0),
    Buffer.from(JSON.stringify({ msg: "Flood|Temp|1" })),
    Buffer.alloc(2 ** 20, 1),
  ];
  const before = residentMb(hub.pid);
  const peers = Array.from({ length: 20 }, () => {
    const socket = stack.use(context.socket(PeerType.dealer));
    socket.set(SocketOption.linger, 0);
    socket.set(SocketOption.sendHwm, 1);
    socket.connect(`tcp://127.0.0.1:${hub.port}`);
    return { socket, sent: 0 };
  });
  // Until no more can be sent: all places on the way are taken.
  let lastMs = performance.now();
  while (performance.now() - lastMs < 1500) {
    for (const peer of peers) {
      if (peer.sent >= 100 || !trySend(peer.socket, frames)) continue;
      peer.sent++;
      lastMs = performance.now();
    }
    await Bun.sleep(1);
  }
  const after = residentMb(hub.pid);
  const sent = peers.reduce((sum, peer) => sum + peer.sent, 0);
  console.log(
    `Flooded with ${sent} MiB: ${Math.round(before)} MB before, ${Math.round(after)} MB after`,
  );
  expect(sent).toBeGreaterThan(500);
  expect(after).toBeLessThan(400);
  await until(hub, () => linesWith(hub, "The disk stalls").length > 0);
  const [full] = linesWith(hub, "The queue is full");
  expect(full).toMatch(
    /refused: \d+ requests? with \d{8} bytes waits? to be written \(queuemax, max_queue_bytes\)$/,
  );

  stalled.goOn();
  expect(camera.receive()?.[0]).toBeDefined();
  expectServed(camera);
  expect(await hub.stop()).toBe(0);
});

test("linger bounds a stop while a peer takes none of its replies", async () => {
  await using hub = await hubWith({ linger: 0.2, log_level: "info" });
  using camera = good(hub);
  expectServed(camera);
  using peer = await shakenHands(hub);
  peer.pause();
  // The longest possible reply, so both ends of the connection fill up soon.
  const shape = JSON.stringify({
    msg: "Bad|jpg|",
    dtype: "uint8",
    shape: Array(8).fill(123_456_789_012_345),
  });
  const many = Buffer.concat(Array(2000).fill(message(["", shape, "x"])));
  for (let round = 0; round < 40; round++) peer.send(many);
  await until(hub, () => linesWith(hub, "Refused a request").length > 1);
  expectServed(camera);
  // With linger -1 it would hang.
  expect(await stopAndCount(hub)).toMatchObject({ status: 0, images: 2 });
});
