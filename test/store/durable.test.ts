import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Context } from "../../src/zmq/socket.ts";
import { startHub } from "../support/hub/hub.ts";
import { until } from "../support/hub/output.ts";
import { lacksStrace, Strace, threadOf } from "../support/machine/strace.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";

setDefaultTimeout(60_000);

const JPEG = Buffer.concat([Buffer.of(0xff, 0xd8), Buffer.alloc(1000), Buffer.of(0xff, 0xd9)]);

const image = JSON.stringify({ msg: "Barn|jpg|" });
const event = JSON.stringify({ msg: "Barn|Temp|1" });

describe.skipIf(lacksStrace())(
  "with ack synced and an fsync that fails, an OK comes when all have been done",
  () => {
    test.each([
      ["the folder of images", image, JPEG, 1, 4],
      ["the data directory, for an image", image, JPEG, 2, 4],
      ["the data directory, for an event", event, "x", 1, 3],
      ["the folder of a new log, which has its name by then", event, "x", 3, 2],
    ])("%s", async (_, header, payload, failing, calls) => {
      await using hub = await startHub({ settings: { hub: { ack: "synced", writers: 1 } } });
      await until(hub, () => hub.log().length > 0);
      // An event then makes the log anew, as an image makes the folder of its day.
      rmSync(join(hub.dataDir, "logs/imagehub.log"));
      const writer = threadOf(hub.pid, "writer 0");
      await using strace = await Strace.attachThread(writer, "fsync", `error=EIO:when=${failing}`);
      using context = new Context();
      using camera = new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`);
      camera.send(header, payload);
      expect(camera.receive()?.[0]).toContain("EIO");
      await until(hub, () => strace.results().length === failing);
      expect(strace.results().at(-1)).toBe("= -1 EIO (Input/output error) (INJECTED)");
      camera.send(header, payload);
      expect(camera.receive()).toEqual(["OK"]);
      await until(hub, () => strace.results().length >= failing + calls);
      expect(strace.results().slice(failing)).toEqual(Array.from({ length: calls }, () => "= 0"));
    });
  },
);

// Each was answered ERROR, though there is nothing wrong with the disk: a file system in user space
// or in the network says it.
test.skipIf(lacksStrace())(
  "with signals at every other open, close and fsync, all is stored and answered OK",
  async () => {
    await using hub = await startHub({ settings: { hub: { ack: "synced", writers: 1 } } });
    using context = new Context();
    using camera = new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`);
    const send = (): void => {
      for (const [header, payload] of [
        [event, "x"],
        [image, JPEG],
      ] as const) {
        camera.send(header, payload);
        expect(camera.receive()).toEqual(["OK"]);
      }
    };
    // The folder of the day is made and read by the runtime's own calls.
    send();
    const thread = threadOf(hub.pid, "writer 0");
    await using strace = await Strace.attachThread(
      thread,
      "openat,close,fsync",
      "error=EINTR:when=2+2",
    );
    for (let round = 0; round < 5; round++) send();
    await until(
      hub,
      () => strace.results().filter((result) => result.includes("EINTR")).length > 20,
    );
    expect(hub.images()).toHaveLength(6);
    expect(hub.log().filter((line) => line.endsWith("Barn|Temp|1"))).toHaveLength(6);
  },
);
