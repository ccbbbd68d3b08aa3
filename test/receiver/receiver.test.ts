import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ZmqError } from "../../src/zmq/library.ts";
import { Context } from "../../src/zmq/socket.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { header, jpeg, storedNames } from "../support/peers/camera.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { until } from "../support/hub/output.ts";
import { Proxy } from "../support/peers/proxy.ts";
import { Sender } from "../support/peers/sender.ts";
import { StalledLog } from "../support/hub/stalled-log.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

let context: Context;

beforeEach(() => {
  context = new Context();
});

afterEach(() => {
  context[Symbol.dispose]();
});

/** Settings under `hub:`, in files where the cap is not reached. */
function settings(hub: Record<string, unknown>): { settings: Record<string, unknown> } {
  return { settings: { hub: { max_images_write: 1_000_000, ...hub } } };
}

/** REQ sockets that are connected: each has been answered once. */
function connectedPeers(stack: DisposableStack, hub: Hub, count: number): Peer[] {
  const peers = Array.from({ length: count }, () =>
    stack.use(new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`)),
  );
  for (const peer of peers) peer.send(header("Barn|Heartbeat"), "x");
  for (const peer of peers) expect(peer.receive()).toEqual(["OK"]);
  return peers;
}

const texts = (hub: Hub): string[] => hub.log().map((line) => line.slice(line.indexOf(" ~ ") + 3));

/** Stops a hub, while the test goes on. */
function startStop(hub: Hub): { isOver: boolean; readonly status: Promise<number> } {
  const stop = { isOver: false, status: hub.stop() };
  stop.status = stop.status.finally(() => (stop.isOver = true));
  return stop;
}

describe.each(["stored", "received", "synced"])("a hub with ack %s", (ack) => {
  test("answers and stores every image of eight senders when the queue holds one", async () => {
    await using hub = await startHub(settings({ ack, queuemax: 1 }));
    const sent: string[] = [];
    {
      using stack = new DisposableStack();
      const peers = connectedPeers(stack, hub, 8);
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
      const peers = connectedPeers(stack, hub, 40);
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
  const peers = connectedPeers(stack, hub, 8);
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
  const cameras = connectedPeers(stack, hub, 12);
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
      const cameras = connectedPeers(stack, hub, 10);
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
    const [camera] = connectedPeers(stack, hub, 1) as [Peer];
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
    const cameras = connectedPeers(stack, hub, 2);
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
    const [first, second, third] = connectedPeers(stack, hub, 3) as [Peer, Peer, Peer];
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

test("a hub whose patience is shorter than its chores are apart gives its notices all the same", async () => {
  await using hub = await startHub(settings({ patience: 0.001 }));
  await until(hub, () => texts(hub).filter((text) => text.startsWith("No messages")).length >= 3);
});

test("a stop waits until nothing has come for a while, also when a connection comes meanwhile", async () => {
  await using hub = await startHub(settings({}));
  using stack = new DisposableStack();
  const [camera] = connectedPeers(stack, hub, 1) as [Peer];
  const stop = startStop(hub);
  await Bun.sleep(80);
  stack.use(new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`));
  await Bun.sleep(80);
  camera.send(header("Barn|Temp|1"), "x");
  expect(camera.receive()).toEqual(["OK"]);
  expect(await stop.status).toBe(0);
  expect(texts(hub)).toContain("Barn|Temp|1");
});

test("a hub does not say that the disk stalls when a camera pauses for longer than a stall takes to be one", async () => {
  await using hub = await startHub(settings({}));
  using stack = new DisposableStack();
  const [camera] = connectedPeers(stack, hub, 1) as [Peer];
  for (let count = 0; count < 2; count++) {
    await Bun.sleep(2500);
    camera.send(header("Barn|jpg|"), jpeg(`image ${count}`));
    expect(camera.receive()).toEqual(["OK"]);
  }
  await Bun.sleep(200);
  expect(hub.output()).not.toContain("stalls");
});

test("a hub logs a notice when no message comes, and again, and not while they come", async () => {
  const patience = 0.005;
  const notice = `No messages received for ${patience} minutes.`;
  await using hub = await startHub(settings({ patience }));
  const notices = () => texts(hub).filter((text) => text === notice).length;
  await until(hub, () => notices() >= 2);
  using stack = new DisposableStack();
  const [peer] = connectedPeers(stack, hub, 1);
  // Each comes well within the patience of 300 ms, and all together take far longer.
  const before = notices();
  const start = performance.now();
  let longestPauseMs = 0;
  let lastMs = start;
  while (performance.now() - start < 1200) {
    peer!.send(header("Barn|Heartbeat"), "x");
    expect(peer!.receive()).toEqual(["OK"]);
    longestPauseMs = Math.max(longestPauseMs, performance.now() - lastMs);
    lastMs = performance.now();
    await Bun.sleep(10);
  }
  // A machine that stood still for so long may have seen one.
  if (longestPauseMs < 250) expect(notices() - before).toBeLessThanOrEqual(1);
  await until(hub, () => notices() >= before + 2);
  expect(texts(hub)[0]).toStartWith("Starting");
});

test("a hub serves others when peers send broken envelopes and go", async () => {
  await using hub = await startHub(settings({}));
  using stack = new DisposableStack();
  const [good] = connectedPeers(stack, hub, 1);
  const thousand = Array.from({ length: 1000 }, () => "x");
  const broken: string[][] = [
    ["x"],
    [header("a|b"), "x"],
    [""],
    ["", ""],
    ["", "a", "b", "c"],
    thousand,
    ["", ...thousand],
  ];
  for (let round = 0; round < 10; round++) {
    for (const frames of broken) {
      using dealer = new Peer(context, PeerType.dealer, `tcp://127.0.0.1:${hub.port}`);
      dealer.send(...frames);
      if (round % 2 === 0) expect(dealer.receive()?.at(-1)).toMatch(/^ERROR the request has /);
    }
    good!.send(header(`Good|Temp|${round}`), "x");
    expect(good!.receive()).toEqual(["OK"]);
  }
  expect(texts(hub).slice(1)).toEqual(
    Array.from({ length: 10 }, (_, round) => `Good|Temp|${round}`),
  );
  expect(await hub.stop()).toBe(0);
  expect(hub.output()).toContain("Refused a request: the request has no empty delimiter frame");
});

test("a hub answers ERROR with the reason when a request makes no sense", async () => {
  await using hub = await startHub(settings({}));
  using stack = new DisposableStack();
  const [peer] = connectedPeers(stack, hub, 1);
  const cases: [frames: string[], reply: string][] = [
    [["not JSON", "x"], "ERROR frame 1 is not JSON in UTF-8"],
    [["{}", "x"], "ERROR frame 1 has no msg"],
    [[header("Barn|jpg|"), ""], "ERROR frame 2 is empty, an image was expected"],
    [[header("Barn|jpg|")], "ERROR the request has 1 frame, 2 were expected"],
    [[`{"msg": "${"x".repeat(65_536)}"}`, "x"], "ERROR frame 1 has 65547 bytes, more than 65536"],
    [[header(`Barn|note|${"x".repeat(5000)}`), "x"], "ERROR the text is longer than 4096 bytes"],
  ];
  for (const [frames, reply] of cases) {
    peer!.send(...frames);
    expect(peer!.receive()).toEqual([reply]);
  }
  expect(await hub.stop()).toBe(0);
  for (const [, reply] of cases)
    expect(hub.output()).toContain(`Refused a request: ${reply.slice(6)}`);
});

describe.skipIf(lacks("python"))("a hub behind proxies", () => {
  test("serves senders through one and through two of them, and beside them", async () => {
    await using hub = await startHub(settings({}));
    await using near = await Proxy.start(hub.port);
    await using far = await Proxy.start(near.port);
    await using direct = new Sender(hub.port);
    await using through = new Sender(near.port);
    await using twice = new Sender(far.port);
    const senders = Object.entries({ direct, through, twice });
    const image = { kind: "bgr", height: 48, width: 64 } as const;
    await Promise.all(
      senders.map(async ([name, sender]) => {
        for (let round = 0; round < 10; round++) {
          expect((await sender.event(`${name}|Temp|${round}`)).frames.map(String)).toEqual(["OK"]);
          expect(await sender.heartbeat(name)).toMatchObject({ reply: "OK" });
          expect(await sender.jpg(`${name}|jpg|`, { size: 5000 })).toMatchObject({ reply: "OK" });
        }
        expect(await sender.raw(`${name}|image|`, image)).toMatchObject({ reply: "OK" });
        expect((await sender.frames(["not JSON", "x"])).frames.map(String)).toEqual([
          "ERROR frame 1 is not JSON in UTF-8",
        ]);
      }),
    );
    for (const [name] of senders) {
      const rounds = Array.from({ length: 10 }, (_, round) => `${name}|Temp|${round}`);
      expect(texts(hub).filter((text) => text.startsWith(`${name}|`))).toEqual(rounds);
      expect(hub.images().filter((file) => file.name.startsWith(`${name}-`))).toHaveLength(11);
    }
  });
});
