import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Context } from "../../src/zmq/socket.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { lacksStrace, Strace, threadOf } from "../support/machine/strace.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

/** In seconds. */
const INTERVAL = 0.2;
/** Several intervals, in milliseconds. */
const A_WHILE_MS = 1000;

const hubWith = (ack: string): Promise<Hub> =>
  startHub({ settings: { hub: { ack, sync_interval: INTERVAL } } });

const good = (hub: Hub): Peer => new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`);

const JPEG = Buffer.concat([Buffer.of(0xff, 0xd8), Buffer.alloc(1000), Buffer.of(0xff, 0xd9)]);

function expectStored(camera: Peer): void {
  camera.send(JSON.stringify({ msg: "Good|jpg|" }), JPEG);
  expect(camera.receive()).toEqual(["OK"]);
}

function expectAlive(camera: Peer): void {
  camera.send(JSON.stringify({ msg: "Good|Heartbeat" }), "x");
  expect(camera.receive()).toEqual(["OK"]);
}

/** Waits until there were more calls than `before`. @returns how many there were a while later */
async function settled(hub: Hub, strace: Strace, before: number): Promise<number> {
  await until(hub, () => strace.results().length > before, "a further call");
  await Bun.sleep(A_WHILE_MS);
  return strace.results().length;
}

describe.skipIf(lacksStrace())("the flusher", () => {
  test("brings images to the disk while that of logs stalls", async () => {
    using data = tempDir();
    // In memory, so that it is another disk than that of the images.
    const logs = mkdtempSync("/dev/shm/imagehub-test-");
    using stack = new DisposableStack();
    stack.defer(() => rmSync(logs, { recursive: true }));
    symlinkSync(logs, join(data.path, "logs"));
    await using hub = await startHub({
      settings: { hub: { data_directory: data.path, sync_interval: INTERVAL } },
    });
    using camera = good(hub);
    expectStored(camera);
    {
      await using _ = await Strace.attachThread(
        threadOf(hub.pid, "flusher 1"),
        "syncfs",
        "delay_enter=60s",
      );
      await using strace = await Strace.attachThread(
        threadOf(hub.pid, "flusher"),
        "syncfs",
        "delay_enter=1",
      );
      for (let round = 0; round < 3; round++) {
        const calls = strace.results().length;
        expectStored(camera);
        await until(hub, () => strace.results().length > calls, "a flush of images");
      }
    }
    expect(await hub.stop()).toBe(0);
  });

  test.each(["stored", "received"])(
    "brings to the disk with ack %s what was written, and rests when nothing was",
    async (ack) => {
      await using hub = await hubWith(ack);
      await using strace = await Strace.attach(hub.pid, "syncfs");
      using camera = good(hub);
      // What the hub noted of its start may have been flushed before anyone looked.
      await Bun.sleep(A_WHILE_MS);
      let calls = strace.results().length;
      for (let round = 0; round < 2; round++) {
        expectStored(camera);
        const after = await settled(hub, strace, calls);
        expectAlive(camera);
        await Bun.sleep(A_WHILE_MS);
        expect(strace.results()).toHaveLength(after);
        calls = after;
      }
      expect(await hub.stop()).toBe(0);
      await strace.ended();
      // The last lines of the event log are brought there before the hub ends.
      expect(strace.results()).toHaveLength(calls + 1);
      expect(new Set(strace.results())).toEqual(new Set(["= 0"]));
    },
  );

  test("has nothing to do with ack synced", async () => {
    await using hub = await hubWith("synced");
    await using strace = await Strace.attach(hub.pid, "syncfs");
    using camera = good(hub);
    expectStored(camera);
    await Bun.sleep(A_WHILE_MS);
    expect(await hub.stop()).toBe(0);
    await strace.ended();
    expect(strace.results()).toEqual([]);
  });

  test("says that the disk failed, and tries again by itself", async () => {
    await using hub = await hubWith("stored");
    await Bun.sleep(A_WHILE_MS);
    await using strace = await Strace.attach(hub.pid, "syncfs", "error=EIO:when=1..3");
    using camera = good(hub);
    expectStored(camera);
    await until(hub, () => strace.results().includes("= 0"), "a flush that works");
    await Bun.sleep(A_WHILE_MS);
    const failed = "= -1 EIO (Input/output error) (INJECTED)";
    expect(strace.results()).toEqual([failed, failed, failed, "= 0"]);
    const lines = linesWith(hub, " error Could not flush to disk: ");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain("EIO");
    expectStored(camera);
    expect(await hub.stop()).toBe(0);
  });

  test("goes on with the other folders when someone has removed one", async () => {
    await using hub = await hubWith("stored");
    await using strace = await Strace.attach(hub.pid, "syncfs");
    using camera = good(hub);
    expectStored(camera);
    const before = await settled(hub, strace, 0);
    rmSync(join(hub.dataDir, "images"), { recursive: true });
    camera.send(JSON.stringify({ msg: "Good|Temp|1" }), "x");
    expect(camera.receive()).toEqual(["OK"]);
    await settled(hub, strace, before);
    expect(linesWith(hub, "Could not flush to disk")).toEqual([]);
  });

  test("says so when the last flush fails, and the hub ends all the same", async () => {
    await using hub = await hubWith("stored");
    await using strace = await Strace.attach(hub.pid, "syncfs", "error=EIO");
    using camera = good(hub);
    expectStored(camera);
    await until(hub, () => linesWith(hub, "Could not flush to disk").length > 0);
    await hub.stop();
    await strace.ended();
    expect(linesWith(hub, "Could not flush to disk").length).toBe(strace.results().length);
  });
});
