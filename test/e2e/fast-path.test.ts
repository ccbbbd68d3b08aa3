/**
 * The fast path of a whole hub: when it has the socket, what it leaves to the receiver, and that
 * all is answered once.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Context } from "../../src/zmq/socket.ts";
import { header, jpeg, storedNames } from "../support/peers/camera.ts";
import { fastCount, untilFast as untilFastWith } from "../support/hub/fast-path.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, stopAndCount, until } from "../support/hub/output.ts";
import { answered, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { StalledLog } from "../support/hub/stalled-log.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

async function start(hub: Record<string, unknown> = {}): Promise<Hub> {
  return await startHub({
    env: WITH_HTTP,
    settings: { hub: { max_images_write: 1_000_000, ...hub } },
  });
}

const peer = (hub: Hub, type: number = PeerType.req): Peer =>
  new Peer(context, type, `tcp://127.0.0.1:${hub.port}`);

/** Sends events until the fast path answers them. @returns how many */
async function untilFast(hub: Hub, camera: Peer, node: string): Promise<number> {
  return await untilFastWith(hub, () => {
    camera.send(header(`${node}|Temp|1`), "x");
    expect(camera.receive()).toEqual(["OK"]);
  });
}

/** The texts in the event log that are not the hub's own. */
const texts = (hub: Hub): string[] =>
  hub
    .log()
    .map((line) => line.slice(line.indexOf(" ~ ") + 3))
    .filter((line) => line.includes("|"));

describe("the fast path", () => {
  test("answers and stores what cameras send, and the receiver counts it", async () => {
    await using hub = await start();
    using stack = new DisposableStack();
    const cameras = Array.from({ length: 5 }, () => stack.use(peer(hub)));
    const names: string[] = [];
    let rounds = 0;
    // A slow machine needs more until the fast path has had its share.
    for (; rounds < 100 || (await fastCount(hub)) <= 250; rounds++) {
      for (const [index, camera] of cameras.entries()) {
        names.push(`image ${rounds} of ${index}`);
        camera.send(header(`Barn ${index}|jpg|`), jpeg(names.at(-1)!));
      }
      for (const camera of cameras) expect(camera.receive()).toEqual(["OK"]);
    }
    for (const [index, camera] of cameras.entries()) {
      camera.send(header(`Barn ${index}|Temp|7`), "x");
      expect(camera.receive()).toEqual(["OK"]);
    }
    expect(storedNames(hub)).toEqual(names.toSorted());
    expect(texts(hub).toSorted()).toEqual([0, 1, 2, 3, 4].map((index) => `Barn ${index}|Temp|7`));
    const { nodes } = await answered(
      () => statusOf(hub),
      ({ nodes: rows }) => rows.every((row) => row.events_today === 1),
    );
    expect(nodes).toHaveLength(5);
    for (const row of nodes)
      expect(row).toMatchObject({ address: "127.0.0.1", images_today: rounds });
    const counts = await stopAndCount(hub);
    expect(counts).toMatchObject({
      status: 0,
      images: 5 * rounds,
      imageBytes: 5 * rounds * 20_000,
      events: 5,
      failed: 0,
    });
    expect(counts["fastPath"]).toBeGreaterThan(250);
  });

  test("leaves to the receiver what is not plain, and goes on", async () => {
    await using hub = await start();
    using stack = new DisposableStack();
    const camera = stack.use(peer(hub));
    const named = stack.use(
      new Peer(context, PeerType.dealer, `tcp://127.0.0.1:${hub.port}`, 0x61_62_63_64),
    );
    const dealer = stack.use(peer(hub, PeerType.dealer));
    const raw = JSON.stringify({ msg: "Barn|image|", dtype: "uint8", shape: [4, 4, 3] });
    const large = jpeg("a large one", 1_000_000);
    let events = await untilFast(hub, camera, "Barn");
    const requests: [from: Peer, frames: (string | Uint8Array)[], reply: string[]][] = [
      [camera, [header("Barn|Heartbeat"), "x"], ["OK"]],
      [camera, [header("a test"), "x"], ["OK"]],
      [camera, [raw, Buffer.alloc(48)], ["OK"]],
      [camera, [header("Barn|jpg|"), large], ["OK"]],
      [camera, ["no JSON", "x"], ["ERROR frame 1 is not JSON in UTF-8"]],
      [camera, [header("Barn|jpg|"), ""], ["ERROR frame 2 is empty, an image was expected"]],
      [camera, ["one frame"], ["ERROR the request has 1 frame, 2 were expected"]],
      [camera, ["1", "2", "3", "4"], ["ERROR the request has 4 frames, 2 were expected"]],
      [camera, ["x".repeat(70_000), "2"], ["ERROR frame 1 has 70000 bytes, more than 65536"]],
      [named, ["", header("Named|Temp|1"), "x"], ["", "OK"]],
      [dealer, ["hop 1", "hop 2", "", header("Hops|Temp|1"), "x"], ["hop 1", "hop 2", "", "OK"]],
      [dealer, ["no delimiter", "x"], ["ERROR the request has no empty delimiter frame"]],
      [dealer, ["", header("New|Temp|1"), "x"], ["", "OK"]],
    ];
    for (const [index, [from, frames, reply]] of requests.entries()) {
      from.send(...frames);
      expect(from.receive()).toEqual(reply);
      // After each of some kinds the receiver keeps the socket for a second.
      if (index % 3 !== 1) events += await untilFast(hub, camera, "Barn");
    }
    expect(hub.images()).toHaveLength(2);
    expect(hub.images().some(({ bytes }) => bytes.equals(large))).toBe(true);
    expect(texts(hub)).toHaveLength(events + 3);
    expect(await stopAndCount(hub)).toMatchObject({
      status: 0,
      images: 2,
      events: events + 3,
      heartbeats: 1,
      tests: 0,
      unlabelled: 1,
      refused: 6,
      failed: 0,
      queued: 0,
    });
  });

  // The header is the same each time, so it is remembered, and what it means rests on the payload's
  // first bytes.
  test.each([
    [
      "an array with the type jpg",
      JSON.stringify({ msg: "Barn|jpg|", dtype: "uint8", shape: [64, 1] }),
    ],
    ["an array without a label", JSON.stringify({ msg: "Barn", dtype: "uint8", shape: [64, 1] })],
  ])("tells a JPEG from pixels in %s", async (_, frame) => {
    await using hub = await start({ unlabelled: "store" });
    using camera = peer(hub);
    const [file, pixels] = [Buffer.alloc(64, "x"), Buffer.alloc(64, "x")];
    file.set([0xff, 0xd8, 0xff]);
    const send = (payload: Buffer): void => {
      camera.send(frame, payload);
      expect(camera.receive()).toEqual(["OK"]);
    };
    const files = await untilFastWith(hub, () => send(file));
    send(pixels);
    send(file);
    const stored = hub.images().map(({ bytes }) => bytes);
    expect(stored).toHaveLength(files + 2);
    const encoded = stored.filter((bytes) => !bytes.equals(file));
    expect(encoded).toHaveLength(1);
    expect(await new Bun.Image(encoded[0]!).metadata()).toMatchObject({ width: 1, height: 64 });
  });

  test("holds up nobody when the disk stalls, answers what it had in hand, and goes on", async () => {
    await using hub = await start({ writers: 1 });
    using stack = new DisposableStack();
    const [camera, other] = [stack.use(peer(hub)), stack.use(peer(hub))];
    let events = await untilFast(hub, other, "House");
    events += await untilFast(hub, camera, "Barn");
    for (let round = 0; round < 2; round++) {
      const before = linesWith(hub, "The disk stalls").length;
      using stalled = new StalledLog(hub.dataDir);
      camera.send(header(`Barn|Temp|stalled ${round}`), "x");
      await until(hub, () => linesWith(hub, "The disk stalls").length > before);
      for (const node of ["House", "Attic"]) {
        other.send(header(`${node}|Heartbeat`), "x");
        expect(other.receive()).toEqual(["OK"]);
        other.send(header(`${node}|jpg|`), jpeg(`${node} ${round}`));
        expect(other.receive()).toEqual(["OK"]);
      }
      expect(camera.receive(0)).toBeUndefined();
      stalled.goOn();
      expect(camera.receive()).toEqual(["OK"]);
      events += 1 + (await untilFast(hub, camera, "Barn"));
    }
    expect(storedNames(hub)).toEqual(["Attic 0", "Attic 1", "House 0", "House 1"]);
    expect(await stopAndCount(hub)).toMatchObject({
      status: 0,
      images: 4,
      events,
      failed: 0,
      heartbeats: 4,
    });
  });

  test("answers with ERROR at a stop what the disk does not take in time", async () => {
    await using hub = await start();
    using stack = new DisposableStack();
    const camera = stack.use(peer(hub));
    await untilFast(hub, camera, "Barn");
    stack.use(new StalledLog(hub.dataDir));
    camera.send(header("Barn|Temp|1"), "x");
    await until(hub, () => hub.output().includes("The disk stalls"));
    const status = hub.stop();
    expect(camera.receive()).toEqual([
      "ERROR the hub stops, and the disk has not taken this in time",
    ]);
    expect(await status).toBe(1);
  });

  test("answers with ERROR what cannot be stored, and stores again when it can", async () => {
    await using hub = await start();
    using camera = peer(hub);
    const log = join(hub.dataDir, "logs/imagehub.log");
    let events = await untilFast(hub, camera, "Barn");
    for (let round = 0; round < 2; round++) {
      rmSync(log);
      mkdirSync(log);
      camera.send(header("Barn|Temp|1"), "x");
      expect(camera.receive()).toEqual([expect.stringContaining("ERROR cannot store: ")]);
      await answered(
        () => statusOf(hub),
        ({ healthy }) => !healthy,
      );
      rmdirSync(log);
      events += await untilFast(hub, camera, "Barn");
    }
    const counts = await stopAndCount(hub);
    expect(counts).toMatchObject({ status: 0, events, failed: 2, eventsFailed: 2 });
    expect(linesWith(hub, "Could not store an event")).toHaveLength(2);
  });

  test("keeps no more images of a day than there may be, and says so once", async () => {
    await using hub = await start({ max_images_write: 50 });
    using camera = peer(hub);
    await untilFast(hub, camera, "Barn");
    for (let index = 0; index < 80; index++) {
      camera.send(header("Barn|jpg|"), jpeg(`image ${index}`));
      expect(camera.receive()).toEqual(["OK"]);
    }
    await untilFast(hub, camera, "Barn");
    expect(storedNames(hub)).toHaveLength(50);
    expect(
      hub.log().filter((line) => line.endsWith("Max images written. Writing stopped.")),
    ).toHaveLength(1);
    expect(linesWith(hub, "has its maximum of 50 images")).toHaveLength(1);
    expect(await stopAndCount(hub)).toMatchObject({ status: 0, images: 50, imagesOverCap: 30 });
  });

  test("counts the time until a quiet hub gives its notice from the last request that it answered", async () => {
    await using hub = await start({ patience: 0.02 });
    using camera = peer(hub);
    await untilFast(hub, camera, "Barn");
    const notices = (): number =>
      hub.log().filter((line) => line.includes("No messages received")).length;
    const before = notices();
    for (let index = 0; index < 30; index++) {
      camera.send(header("Barn|Temp|1"), "x");
      expect(camera.receive()).toEqual(["OK"]);
      await Bun.sleep(100);
    }
    expect(notices()).toBe(before);
    await until(hub, () => notices() > before);
  });

  test("answers all once, whenever the disk stalls and for how long, and whatever comes meanwhile", async () => {
    await using hub = await start({ writers: 2 });
    using stack = new DisposableStack();
    const cameras = Array.from({ length: 4 }, () => stack.use(peer(hub)));
    const watcher = stack.use(peer(hub));
    let events = 0;
    for (const [index, camera] of cameras.entries())
      events += await untilFast(hub, camera, `Barn ${index}`);
    for (let round = 0; round < 8; round++) {
      // What stands in for the log goes, and a camera or two find that there is none.
      using stalled = new StalledLog(hub.dataDir);
      for (const [index, camera] of cameras.entries())
        camera.send(header(`Barn ${index}|Temp|${round}`), "x");
      if (round % 3 === 0) watcher.send(header("Barn|Heartbeat"), "x");
      await Bun.sleep((round * 23) % 160);
      if (round % 3 === 1) watcher.send(header("Barn|Heartbeat"), "x");
      stalled.goOn();
      if (round % 3 === 2) watcher.send(header("Barn|Heartbeat"), "x");
      expect(watcher.receive()).toEqual(["OK"]);
      for (const camera of cameras) expect(camera.receive()).toEqual(["OK"]);
      events += cameras.length;
      events += await untilFast(hub, cameras[0]!, "Barn 0");
    }
    expect(await stopAndCount(hub)).toMatchObject({
      status: 0,
      events,
      heartbeats: 8,
      failed: 0,
      queued: 0,
    });
  });

  test("gives the socket back for a stop, also while heartbeats come", async () => {
    for (let round = 0; round < 5; round++) {
      await using hub = await start();
      using stack = new DisposableStack();
      const cameras = Array.from({ length: 3 }, () => stack.use(peer(hub)));
      let [answers, events] = [0, 0];
      const stop = { isOver: false };
      events += await untilFast(hub, cameras[0]!, "Barn");
      const status = stopAndCount(hub).finally(() => (stop.isOver = true));
      // Each sends anew as soon as it has its reply, so one is always there when the hub comes to
      // its stop.
      for (const camera of cameras) camera.send(header("Barn|Heartbeat"), "x");
      while (!stop.isOver) {
        for (const camera of cameras) {
          if (camera.receive(0) === undefined) continue;
          answers++;
          camera.send(header("Barn|Heartbeat"), "x");
        }
        await Bun.sleep(0);
      }
      expect(await status).toMatchObject({ status: 0, events });
      for (const camera of cameras) if (camera.receive(0) !== undefined) answers++;
      expect((await status)["heartbeats"]).toBe(answers);
    }
  });
});
