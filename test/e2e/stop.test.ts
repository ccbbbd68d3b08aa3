/**
 * A stop, end to end: all that has arrived is stored and answered, however the hub is loaded.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { ZmqError } from "../../src/zmq/library.ts";
import { Context } from "../../src/zmq/socket.ts";
import { header, jpeg, storedNames } from "../support/peers/camera.ts";
import { startHub } from "../support/hub/hub.ts";
import { until } from "../support/hub/output.ts";
import { connectedPeers, settings, startStop, texts } from "./cameras.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

describe.each(["stored", "received", "synced"])("a hub with ack %s", (ack) => {
  test("answers and stores every image of eight senders when the queue holds one", async () => {
    await using hub = await startHub(settings({ ack, queuemax: 1 }));
    const sent: string[] = [];
    {
      using stack = new DisposableStack();
      const peers = connectedPeers(stack, context, hub, 8);
      for (let round = 0; round < 25; round++) {
        for (const [index, peer] of peers.entries()) {
          const name = `image ${round} of ${index}`;
          sent.push(name);
          peer.send(header(`Barn ${index}|jpg|`), jpeg(name));
        }
        for (const peer of peers) expect(peer.receive()).toEqual(["OK"]);
      }
    }
    expect({ status: await hub.stop(), output: hub.output() }).toMatchObject({ status: 0 });
    expect(storedNames(hub)).toEqual(sent.toSorted());
    expect(texts(hub).at(-1)).toStartWith("Exiting");
  });

  test.each([1, 3, 500])(
    "stores and answers all that was sent before SIGTERM when the queue holds %d",
    async (queuemax) => {
      await using hub = await startHub(settings({ ack, queuemax, writers: 1 }));
      using stack = new DisposableStack();
      const peers = connectedPeers(stack, context, hub, 40);
      // While it stands still, what is sent arrives in the kernel's memory: all of it is there when
      // the signal comes.
      process.kill(hub.pid, "SIGSTOP");
      const sent = peers.map((peer, index) => {
        const name = `image of ${index}`;
        peer.send(header(`Barn ${index}|jpg|`), jpeg(name));
        return name;
      });
      await Bun.sleep(300);
      const stopped = hub.stop();
      process.kill(hub.pid, "SIGCONT");
      expect({ status: await stopped, output: hub.output() }).toMatchObject({ status: 0 });
      for (const peer of peers) expect(peer.receive()).toEqual(["OK"]);
      expect(storedNames(hub)).toEqual(sent.toSorted());
      expect(texts(hub).at(-1)).toStartWith("Exiting");
    },
  );
});

test("a hub with a queue of one stops with status 0 when more senders than that never pause", async () => {
  // Before replies were held back beside the slots, each reply let the next request in, and this
  // took 8 s.
  await using hub = await startHub(settings({ queuemax: 1 }));
  using stack = new DisposableStack();
  const peers = connectedPeers(stack, context, hub, 8);
  for (const peer of peers) peer.send(header("Barn|Temp|1"), "x");
  const stop = startStop(hub);
  let answered = 0;
  while (!stop.isOver) {
    for (const peer of peers) {
      const reply = peer.receive(0);
      if (reply === undefined) continue;
      expect(reply).toEqual(["OK"]);
      answered++;
      peer.send(header("Barn|Temp|1"), "x");
    }
    await Bun.sleep(0);
  }
  expect({ status: await stop.status, output: hub.output() }).toMatchObject({ status: 0 });
  expect(hub.output()).toContain("all that had arrived is stored and answered");
  expect(texts(hub).filter((text) => text === "Barn|Temp|1").length).toBeGreaterThanOrEqual(
    answered,
  );
  expect(texts(hub).at(-1)).toStartWith("Exiting");
});

test("a hub stops with status 0 when a peer sends without ever waiting for replies", async () => {
  await using hub = await startHub(settings({ queuemax: 4 }));
  using dealer = new Peer(context, PeerType.dealer, `tcp://127.0.0.1:${hub.port}`);
  const flood = () => {
    try {
      for (let sent = 0; sent < 200; sent++) dealer.send("", header("Flood|Temp|1"), "x");
    } catch (error) {
      // Its buffers are full.
      if (!(error instanceof ZmqError)) throw error;
    }
    while (dealer.receive(0) !== undefined);
  };
  flood();
  await until(hub, () => texts(hub).includes("Flood|Temp|1"));
  const stop = startStop(hub);
  while (!stop.isOver) {
    flood();
    await Bun.sleep(1);
  }
  expect({ status: await stop.status, output: hub.output() }).toMatchObject({ status: 0 });
  // Not the last line of all: the flood goes on until the port is closed.
  expect(texts(hub).filter((text) => text.startsWith("Exiting"))).toHaveLength(1);
});

test("a stop waits until nothing has come for a while, also when a connection comes meanwhile", async () => {
  await using hub = await startHub(settings({}));
  using stack = new DisposableStack();
  const [camera] = connectedPeers(stack, context, hub, 1) as [Peer];
  const stop = startStop(hub);
  await Bun.sleep(80);
  stack.use(new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`));
  await Bun.sleep(80);
  camera.send(header("Barn|Temp|1"), "x");
  expect(camera.receive()).toEqual(["OK"]);
  expect(await stop.status).toBe(0);
  expect(texts(hub)).toContain("Barn|Temp|1");
});
