/**
 * Cameras that publish, against whole hubs: with libzmq's own PUB in this process, and with pyzmq
 * as imagezmq uses it.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { newKeyPair } from "../../src/zmq/library.ts";
import { Context, type Socket, SocketOption, TextOption } from "../../src/zmq/socket.ts";
import { lacks, PARTS, PROGRAMS, PYTHON } from "../../scripts/lib/available.ts";
import { header, jpeg, storedNames } from "../support/peers/camera.ts";
import { createCertificates, loadCertificate } from "../support/peers/curve.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { StalledLog } from "../support/hub/stalled-log.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir } from "../support/machine/temp.ts";
import { COMES_MS, Peer, PeerType, sendFrames } from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

const PUB = 1;

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

/** A camera that publishes. libzmq gives the port of one that was closed back a little later. */
async function publisher(
  port: number,
  prepare: (socket: Socket) => void = () => undefined,
): Promise<Socket> {
  const socket = context.socket(PUB);
  socket.set(SocketOption.linger, 0);
  socket.set(SocketOption.sendHwm, 0);
  prepare(socket);
  for (const end = performance.now() + COMES_MS; ; await Bun.sleep(5)) {
    try {
      socket.bind(`tcp://127.0.0.1:${port}`);
      return socket;
    } catch (error) {
      if (performance.now() < end) continue;
      socket[Symbol.dispose]();
      throw error;
    }
  }
}

const endpoint = (port: number): string => `tcp://127.0.0.1:${port}`;

const hubWith = (hub: Record<string, unknown>): Promise<Hub> =>
  startHub({ env: WITH_HTTP, settings: { hub: { max_images_write: 100_000, ...hub } } });

/**
 * Waits until the hub has subscribed so often. A PUB socket has the subscription a moment later.
 */
async function subscribed(hub: Hub, count = 1): Promise<void> {
  await until(hub, () => linesWith(hub, "Subscribed to").length >= count);
  await Bun.sleep(200);
}

const texts = (hub: Hub): string[] => hub.log().map((line) => line.slice(line.indexOf(" ~ ") + 3));

test("what publishers send is stored beside what senders send, whole and under the same names", async () => {
  const ports = [freePort(), freePort()];
  using stack = new DisposableStack();
  const publishers = [stack.use(await publisher(ports[0]!)), stack.use(await publisher(ports[1]!))];
  await using hub = await hubWith({ subscribe: ports.map(endpoint) });
  await subscribed(hub, 2);
  const camera = stack.use(new Peer(context, PeerType.req, endpoint(hub.port)));
  const sent: string[] = [];
  for (let round = 0; round < 100; round++) {
    for (const [index, socket] of publishers.entries()) {
      sent.push(`${index} ${round}`);
      sendFrames(socket, [header(`Pub ${index}|jpg|`), jpeg(`${index} ${round}`)]);
    }
    sent.push(`camera ${round}`);
    camera.send(header("Barn|jpg|"), jpeg(`camera ${round}`));
    expect(camera.receive()).toEqual(["OK"]);
    // So that the socket is lent to the fast path and comes back, while publishers send.
    if (round % 25 === 0) await Bun.sleep(1200);
  }
  sendFrames(publishers[0]!, [header("Pub 0|Temp|76 F"), "x"]);
  await until(hub, () => texts(hub).includes("Pub 0|Temp|76 F"));
  await until(hub, () => hub.images().length === sent.length);
  expect(storedNames(hub)).toEqual(sent.toSorted());
  const nodes = new Set(hub.images().map(({ name }) => name.replace(/-\d{4}-.*$/, "")));
  expect(nodes).toEqual(new Set(["Barn", "Pub-0", "Pub-1"]));
  await until(hub, () => linesWith(hub, "First message from Pub 1").length > 0);
  expect(linesWith(hub, "First message from Pub 1")[0]).toContain("127.0.0.1");
  expect(await hub.stop()).toBe(0);
});

test("a publisher that is not there at start, goes and comes again is subscribed to each time", async () => {
  const port = freePort();
  await using hub = await hubWith({
    subscribe: [endpoint(port), "tcp://no-such-host.invalid:5566"],
  });
  await until(hub, () => linesWith(hub, "Cannot reach the publisher yet").length >= 2);
  for (const round of [1, 2]) {
    {
      using socket = await publisher(port);
      await subscribed(hub, round);
      sendFrames(socket, [header("Pub|jpg|"), jpeg(`image ${round}`)]);
      await until(hub, () => hub.images().length === round);
    }
    await until(hub, () => linesWith(hub, "Lost the publisher").length === round);
  }
  // It is said once, however often it is tried.
  expect(linesWith(hub, "Cannot reach the publisher yet")).toHaveLength(2);
  expect(storedNames(hub)).toEqual(["image 1", "image 2"]);
});

test("what makes no sense is told with its address, and what has no label with the setting unlabelled", async () => {
  const port = freePort();
  using socket = await publisher(port);
  await using hub = await hubWith({ subscribe: endpoint(port) });
  await subscribed(hub);
  for (const frames of [["no json", "x"], [header("Pub|jpg|")], [header("Pub|jpg|"), "x", "y"]])
    sendFrames(socket, frames);
  sendFrames(socket, [header("hostname"), jpeg("unlabelled")]);
  sendFrames(socket, [header("Pub|jpg|"), jpeg("good")]);
  await until(hub, () => hub.images().length === 1);
  await until(hub, () => linesWith(hub, "frame 1 is not JSON").length > 0);
  await until(hub, () => linesWith(hub, "unlabelled").length > 0);
  expect(linesWith(hub, "frame 1 is not JSON")[0]).toContain("from=127.0.0.1");
  expect(await hub.stop()).toBe(0);
  expect(hub.output()).toContain("refused=3");
});

// Without `hasRoomForPublished` in `storePublished`, 600 messages wait and the camera is told that
// the queue is full.
test("a slow disk drops what publishers send, counts and says it, and senders keep their places", async () => {
  const port = freePort();
  using stack = new DisposableStack();
  const socket = stack.use(await publisher(port));
  await using hub = await hubWith({ subscribe: [endpoint(port)], queuemax: 20, writers: 1 });
  await subscribed(hub);
  const camera = stack.use(new Peer(context, PeerType.req, endpoint(hub.port)));
  camera.send(header("Barn|Temp|0"), "x");
  expect(camera.receive()).toEqual(["OK"]);
  const stalled = stack.use(new StalledLog(hub.dataDir));
  sendFrames(socket, [header("Pub|Temp|stalls"), "x"]);
  await until(hub, () => linesWith(hub, "The disk stalls").length > 0);
  for (let count = 0; count < 600; count++)
    sendFrames(socket, [header("Pub|jpg|"), jpeg(`published ${count}`)]);
  await until(hub, () => linesWith(hub, "Dropped a publisher's message").length > 0);
  await answered(
    () => get(`${httpOf(hub)}/metrics`),
    ([, text]) => Number(/^imagehub_published_messages_dropped_total (\d+)/m.exec(text)?.[1]) > 500,
  );
  camera.send(header("Barn|jpg|"), jpeg("of the camera"));
  stalled.goOn();
  expect(camera.receive()).toEqual(["OK"]);
  await until(hub, () => storedNames(hub).length >= 5);
  expect(storedNames(hub)).toContain("of the camera");
  expect(await hub.stop()).toBe(0);
  const kept = storedNames(hub).filter((name) => name.startsWith("published"));
  const dropped = Number(/dropped=(\d+)/.exec(hub.output().split("Stopped, all")[1] ?? "")?.[1]);
  expect(dropped).toBeGreaterThan(500);
  // Nothing is lost in silence.
  expect(kept.length + dropped).toBe(600);
});

test("a publisher with CURVE is subscribed to with its key, and tried again when it has another at first", async () => {
  const port = freePort();
  const keys = newKeyPair();
  const other = newKeyPair();
  const withKeys = ({ secretKey }: { secretKey: string }) =>
    publisher(port, (socket) => {
      socket.set(SocketOption.curveServer, 1);
      socket.setText(TextOption.curveSecretKey, secretKey);
    });
  await using hub = await hubWith({
    subscribe: [{ connect: endpoint(port), server_key: keys.publicKey }],
  });
  {
    using _ = await withKeys(other);
    await until(hub, () => linesWith(hub, "Cannot subscribe").length > 0);
    expect(linesWith(hub, "Subscribed to")).toEqual([]);
  }
  using socket = await withKeys(keys);
  await subscribed(hub);
  sendFrames(socket, [header("Pub|jpg|"), jpeg("secret")]);
  await until(hub, () => storedNames(hub).includes("secret"));
});

test("a hub stops with status 0 while publishers go on sending", async () => {
  const port = freePort();
  using socket = await publisher(port);
  await using hub = await hubWith({ subscribe: [endpoint(port)], queuemax: 10 });
  await subscribed(hub);
  const stop = { isOver: false, status: hub.stop() };
  stop.status = stop.status.finally(() => (stop.isOver = true));
  for (let count = 0; !stop.isOver; count++) {
    for (let burst = 0; burst < 20; burst++)
      sendFrames(socket, [header("Pub|jpg|"), jpeg(`${count} ${burst}`)]);
    await Bun.sleep(1);
  }
  expect({ status: await stop.status, output: hub.output() }).toMatchObject({ status: 0 });
});

describe.each(PROGRAMS)("a camera on pyzmq that publishes, and a hub (%s)", (program) => {
  const lacking = lacks("python", ...PARTS[program]);
  test.skipIf(lacking).each(["without CURVE", "with CURVE"])("%s: all is stored", async (how) => {
    using folder = tempDir();
    const port = freePort();
    const keys: string[] = [];
    let subscribe: unknown = endpoint(port);
    if (how === "with CURVE") {
      createCertificates(folder.path, "pub");
      keys.push(join(folder.path, "pub.key_secret"));
      const [serverKey] = loadCertificate(join(folder.path, "pub.key"));
      subscribe = { connect: endpoint(port), server_key: serverKey };
    }
    const script = join(import.meta.dir, "../support/peers/image_publisher.py");
    await using hub = await startHub({ program, settings: { hub: { subscribe: [subscribe] } } });
    const camera = Bun.spawn([PYTHON, script, String(port), "50", ...keys], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      await subscribed(hub);
      void camera.stdin.write("go\n");
      await camera.stdin.flush();
      await until(hub, () => texts(hub).includes("Pub|Temp|76 F"));
      await until(hub, () => hub.images().length === 51);
    } finally {
      camera.kill("SIGKILL");
      await camera.exited;
    }
    const jpegs = hub.images().filter(({ name }) => name.startsWith("Pub-2"));
    const numbers = jpegs.map(({ bytes }) => Number(bytes.subarray(2, -2).toString()));
    expect(numbers.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, index) => index),
    );
    expect(hub.images().filter(({ name }) => name.startsWith("Pub-Raw-2"))).toHaveLength(1);
    expect(await hub.stop()).toBe(0);
    expect(hub.output()).toContain("heartbeats=1");
  });
});
