/**
 * A disk that stalls, end to end: who waits, who is refused, and what goes on.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Context } from "../../src/zmq/socket.ts";
import { header, jpeg, storedNames } from "../support/peers/camera.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { until } from "../support/hub/output.ts";
import { connectedPeers, settings, startStop, texts } from "./cameras.ts";
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

/**
 * Stalls the disk for the event log, until what this gives is disposed of: a writer waits for a
 * reader.
 */
async function stall(hub: Hub): Promise<Disposable> {
  const log = join(hub.dataDir, "logs/imagehub.log");
  await until(hub, () => existsSync(log));
  return new StalledLog(hub.dataDir);
}

// Without `event-queue.ts` both writers wait for the log, and the first of these images has no
// answer.
test("images go on when the event log stalls, also behind the notice that the folder is full", async () => {
  await using hub = await startHub({ settings: { hub: { writers: 2, max_images_write: 30 } } });
  using stack = new DisposableStack();
  const cameras = connectedPeers(stack, context, hub, 12);
  const stalled = await stall(hub);
  const [first, ...others] = cameras;
  // More than there are writers, and one that the fast path may have had.
  for (const [index, camera] of others.entries()) camera.send(header(`Barn|Temp|${index}`), "x");
  const names = Array.from({ length: 40 }, (_, index) => `image ${index}`);
  for (const name of names) {
    first!.send(header("Barn|jpg|"), jpeg(name));
    expect(first!.receive()).toEqual(["OK"]);
  }
  expect(storedNames(hub)).toEqual(names.slice(0, 30).toSorted());
  for (const camera of others) expect(camera.receive(0)).toBeUndefined();
  stalled[Symbol.dispose]();
  for (const camera of others) expect(camera.receive()).toEqual(["OK"]);
  await until(hub, () => texts(hub).includes("Max images written. Writing stopped."));
  expect(await hub.stop()).toBe(0);
  expect(texts(hub).filter((text) => text.startsWith("Barn|Temp|"))).toHaveLength(others.length);
  expect(texts(hub).filter((text) => text.startsWith("Max images"))).toHaveLength(1);
});

describe("while the disk stalls", () => {
  test.each(["stored", "received"])(
    "cameras wait and who sends ahead is refused, with ack %s",
    async (ack) => {
      await using hub = await startHub(
        settings({ ack, queuemax: 3, max_connections: 20, writers: 1 }),
      );
      using stack = new DisposableStack();
      const cameras = connectedPeers(stack, context, hub, 10);
      const dealer = stack.use(new Peer(context, PeerType.dealer, `tcp://127.0.0.1:${hub.port}`));
      const names: string[] = [];
      const stalled = await stall(hub);
      for (const [index] of Array(10).entries())
        dealer.send("", header(`Ahead|Temp|${index}`), "x");
      const refused: string[] = [];
      // Its first, and as many more as the queue holds, wait to be stored.
      while (refused.length < 6) {
        const [, reply] = dealer.receive() ?? [];
        if (reply === undefined) throw new Error(`Only ${refused.join(", ")}\n${hub.output()}`);
        if (reply !== "OK") refused.push(reply);
      }
      for (const reply of refused) expect(reply).toStartWith("ERROR the queue is full: ");
      for (const [index, camera] of cameras.entries()) {
        names.push(`image ${index}`);
        camera.send(header(`Barn ${index}|jpg|`), jpeg(`image ${index}`));
      }
      // Nobody but those who wait: with `received`, too, there is no room to answer early.
      for (const camera of cameras) expect(camera.receive(50)).toBeUndefined();
      await until(hub, () => hub.output().includes("The queue is full"));
      stalled[Symbol.dispose]();
      for (const camera of cameras) expect(camera.receive()).toEqual(["OK"]);
      expect(storedNames(hub)).toEqual(names.toSorted());
      expect(await hub.stop()).toBe(0);
    },
  );

  test("a node that comes back under its routing id gets the replies to its own requests, and no others", async () => {
    await using hub = await startHub(settings({ writers: 1, log_level: "debug" }));
    using stack = new DisposableStack();
    const named = () =>
      new Peer(context, PeerType.dealer, `tcp://127.0.0.1:${hub.port}`, 0x61_62_63_64);
    const before = named();
    const stalled = await stall(hub);
    before.send("", header("Barn|Temp|1"), "x");
    await until(hub, () => hub.output().includes("The disk stalls"));
    before[Symbol.dispose]();
    await until(hub, () => hub.output().includes("Disconnected: "));
    const after = stack.use(named());
    after.send("", header("Barn|Heartbeat"), "x");
    expect(after.receive()).toEqual(["", "OK"]);
    stalled[Symbol.dispose]();
    // Behind that event, so that it has been done when this is answered.
    after.send("", header("Barn|Temp|2"), "x");
    expect(after.receive()).toEqual(["", "OK"]);
    expect(after.receive(200)).toBeUndefined();
    expect(texts(hub)).toContain("Barn|Temp|2");
  });

  test("no more requests of one connection are taken in than max_unanswered, and others have theirs", async () => {
    await using hub = await startHub(settings({ max_unanswered: 2, writers: 1 }));
    using stack = new DisposableStack();
    const [camera] = connectedPeers(stack, context, hub, 1) as [Peer];
    const dealer = stack.use(new Peer(context, PeerType.dealer, `tcp://127.0.0.1:${hub.port}`));
    const stalled = await stall(hub);
    for (const index of [1, 2, 3, 4]) dealer.send("", header(`Ahead|Temp|${index}`), "x");
    const refusal =
      "ERROR the queue is full: 2 requests of this connection wait for their reply (max_unanswered)";
    expect([dealer.receive(), dealer.receive()]).toEqual([
      ["", refusal],
      ["", refusal],
    ]);
    camera.send(header("Barn|jpg|"), jpeg("of the camera"));
    stalled[Symbol.dispose]();
    expect(camera.receive()).toEqual(["OK"]);
    // What stood in for a disk that stalls may have taken these.
    for (const _ of [1, 2]) expect(dealer.receive()).toBeDefined();
    dealer.send("", header("Ahead|Temp|5"), "x");
    expect(dealer.receive()).toEqual(["", "OK"]);
    expect(texts(hub)).toContain("Ahead|Temp|5");
    expect(texts(hub).filter((text) => /^Ahead\|Temp\|[34]/.test(text))).toEqual([]);
  });

  test("a stop answers with ERROR what the disk does not take in time", async () => {
    await using hub = await startHub(settings({ writers: 1 }));
    using stack = new DisposableStack();
    const cameras = connectedPeers(stack, context, hub, 2);
    const stalled = await stall(hub);
    for (const [index, camera] of cameras.entries()) camera.send(header(`Barn|Temp|${index}`), "x");
    await until(hub, () => hub.output().includes("The disk stalls"));
    const stop = startStop(hub);
    for (const camera of cameras)
      expect(camera.receive(10_000)).toEqual([
        "ERROR the hub stops, and the disk has not taken this in time",
      ]);
    expect(await stop.status).toBe(1);
    stalled[Symbol.dispose]();
  });

  test("no more bytes are taken in than max_queue_bytes, but for one message alone", async () => {
    await using hub = await startHub(settings({ max_queue_bytes: 100_000, writers: 1 }));
    using stack = new DisposableStack();
    const [first, second, third] = connectedPeers(stack, context, hub, 3) as [Peer, Peer, Peer];
    first.send(header("Barn|jpg|"), jpeg("alone", 500_000));
    expect(first.receive()).toEqual(["OK"]);
    const stalled = await stall(hub);
    first.send(header("Barn|Temp|1"), "x");
    second.send(header("Barn|jpg|"), jpeg("fits", 60_000));
    await until(hub, () => hub.output().includes("The disk stalls"));
    third.send(header("Barn|jpg|"), jpeg("too much", 60_000));
    expect(third.receive()).toEqual([
      "ERROR the queue is full: 2 requests with 60001 bytes wait to be written (queuemax, max_queue_bytes)",
    ]);
    stalled[Symbol.dispose]();
    expect(second.receive()).toEqual(["OK"]);
    third.send(header("Barn|jpg|"), jpeg("again", 60_000));
    expect(third.receive()).toEqual(["OK"]);
    expect(storedNames(hub)).toEqual(["again", "alone", "fits"]);
  });
});

test("a hub does not say that the disk stalls when a camera pauses for longer than a stall takes to be one", async () => {
  await using hub = await startHub(settings({}));
  using stack = new DisposableStack();
  const [camera] = connectedPeers(stack, context, hub, 1) as [Peer];
  for (let count = 0; count < 2; count++) {
    await Bun.sleep(2500);
    camera.send(header("Barn|jpg|"), jpeg(`image ${count}`));
    expect(camera.receive()).toEqual(["OK"]);
  }
  await Bun.sleep(200);
  expect(hub.output()).not.toContain("stalls");
});
