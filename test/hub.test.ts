import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { Context } from "../src/zmq/socket.ts";
import { untilFast as untilFastWith } from "./support/hub/fast-path.ts";
import { answered, get, httpOf, WITH_HTTP } from "./support/hub/http.ts";
import { linesWith, until } from "./support/hub/output.ts";
import { freePort } from "../scripts/lib/free-port.ts";
import { tempDir, type TempDir } from "./support/machine/temp.ts";
import { Peer, PeerType } from "./support/peers/zmq-peer.ts";
import { forEachTest } from "./support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

const PROCESS = fileURLToPath(import.meta.resolve("./support/hub/process.ts"));

let context: Context;
let temp: TempDir;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);
forEachTest(tempDir, (made) => (temp = made));

/** A process with a hub whose writers can be brought to grief. */
class FaultyHub implements AsyncDisposable {
  readonly port = freePort();
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #read: Promise<unknown>;
  #output = "";

  private constructor(settings: Record<string, unknown>, stillborn: number) {
    writeFileSync(
      join(temp.path, "imagehub.yaml"),
      stringify({ hub: { port: this.port, bind: "127.0.0.1", ...settings } }),
    );
    this.#process = Bun.spawn([process.execPath, PROCESS, temp.path, String(stillborn)], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...WITH_HTTP },
    });
    this.#read = Promise.all([
      this.#collect(this.#process.stdout),
      this.#collect(this.#process.stderr),
    ]);
  }

  /** @param stillborn how many writers end as soon as they are started */
  static async start(settings: Record<string, unknown>, stillborn = 0): Promise<FaultyHub> {
    const hub = new FaultyHub(settings, stillborn);
    await until(hub, () => hub.output().includes("Listening"));
    return hub;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream) this.#output += Buffer.from(chunk).toString();
  }

  output(): string {
    return this.#output;
  }

  /** Ends a thread; those of a kind are counted from 0 in the order in which they were started. */
  async terminate(kind: "writer" | "flusher" | "fast-path", index: number): Promise<void> {
    await this.#process.stdin.write(`${kind} ${index}\n`);
    // What a test does next may hold up this thread.
    await this.#process.stdin.flush();
  }

  /** Waits until so many writers have been replaced since the start. */
  async replaced(count: number): Promise<void> {
    await until(this, () => linesWith(this, "A writer has ended and is replaced").length >= count);
  }

  imageNodes(): string[] {
    const root = join(temp.path, "imagehub_data/images");
    if (!existsSync(root)) return [];
    const entries = readdirSync(root, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name.split("-")[0] ?? "");
  }

  events(): string[] {
    const log = readFileSync(join(temp.path, "imagehub_data/logs/imagehub.log"), "utf8");
    return log.split("\n").filter((line) => line.includes("|"));
  }

  async stop(): Promise<number> {
    this.#process.kill("SIGTERM");
    const status = await this.#process.exited;
    await this.#read;
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    await this.#read;
  }
}

const JPEG = Buffer.concat([Buffer.of(0xff, 0xd8), Buffer.alloc(1000), Buffer.of(0xff, 0xd9)]);

const peer = (hub: FaultyHub): Peer =>
  new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`);

const sendImage = (to: Peer, node: string): void =>
  to.send(JSON.stringify({ msg: `${node}|jpg|` }), JPEG);
const sendEvent = (to: Peer, text: string): void => to.send(JSON.stringify({ msg: text }), "x");

/** Sends events until the fast path has answered one. */
async function untilFast(hub: FaultyHub, camera: Peer): Promise<void> {
  await untilFastWith(hub, () => {
    sendEvent(camera, "Barn|Temp|1");
    expect(camera.receive()).toEqual(["OK"]);
  });
}

/** A hub without a fast path, so that all goes to the writers. */
const WRITERS_ONLY = { ack: "synced" } as const;

const FAILED = ["ERROR cannot store: the writer that had it ended"];

describe("a hub with one writer", () => {
  test.each(["throws", "rejects", "exits"])(
    "answers ERROR for what a writer that %s had in hand, and stores with another one",
    async (fault) => {
      await using hub = await FaultyHub.start({ writers: 1, ...WRITERS_ONLY });
      using camera = peer(hub);
      sendImage(camera, `Barn ${fault}`);
      expect(camera.receive()).toEqual(FAILED);
      await hub.replaced(1);
      // This waits for the new one, which then ends too.
      sendEvent(camera, `Barn|${fault}|1`);
      expect(camera.receive()).toEqual(FAILED);
      sendImage(camera, "Good");
      expect(camera.receive()).toEqual(["OK"]);
      sendEvent(camera, "Good|Temp|1");
      expect(camera.receive()).toEqual(["OK"]);
      expect(await hub.stop()).toBe(0);
      expect(hub.imageNodes()).toEqual(["Good"]);
      expect(hub.events()).toHaveLength(1);
      const lines = linesWith(hub, "A writer has ended and is replaced");
      expect(lines).toHaveLength(2);
      expect(lines[0]).toEndWith(
        " error A writer has ended and is replaced writer=0 hadInHand=true",
      );
      expect(hub.output()).toMatch(/ Stopped .*\bimages=1 .*\bfailed=2 /);
    },
  );

  test("goes on when a writer ends that has nothing in hand", async () => {
    await using hub = await FaultyHub.start({ writers: 1, ...WRITERS_ONLY });
    using camera = peer(hub);
    for (let round = 0; round < 3; round++) {
      // Once this is answered there is nothing before it in the queue, such as the hub's note of
      // its start.
      sendImage(camera, "Good");
      expect(camera.receive()).toEqual(["OK"]);
      await hub.terminate("writer", round);
      await hub.replaced(round + 1);
    }
    sendImage(camera, "Good");
    expect(camera.receive()).toEqual(["OK"]);
    expect(hub.imageNodes()).toEqual(["Good", "Good", "Good", "Good"]);
    for (const line of linesWith(hub, "A writer has ended"))
      expect(line).toEndWith("hadInHand=false");
    expect(await hub.stop()).toBe(0);
  });

  test("answers ERROR for what a writer had in hand that is ended from outside", async () => {
    await using hub = await FaultyHub.start({ writers: 1, ...WRITERS_ONLY });
    using camera = peer(hub);
    using waiting = peer(hub);
    sendImage(camera, "It hangs");
    await until(hub, () => hub.output().includes("In hand: It-hangs"));
    sendImage(waiting, "Good");
    await until(hub, () => hub.output().includes("First message from Good"));
    expect(hub.imageNodes()).toEqual([]);
    await hub.terminate("writer", 0);
    expect(camera.receive()).toEqual(FAILED);
    // What had only been in the queue is stored by the new one.
    expect(waiting.receive()).toEqual(["OK"]);
    expect(hub.imageNodes()).toEqual(["Good"]);
    expect(await hub.stop()).toBe(0);
  });

  test("answers what its writer had in hand, and what waited for it, when that ends in a stop", async () => {
    await using hub = await FaultyHub.start({ writers: 1, ...WRITERS_ONLY });
    using camera = peer(hub);
    using waiting = peer(hub);
    sendImage(camera, "It hangs");
    await until(hub, () => hub.output().includes("In hand: It-hangs"));
    sendImage(waiting, "Good");
    await until(hub, () => hub.output().includes("First message from Good"));
    const stopped = hub.stop();
    await hub.terminate("writer", 0);
    expect(await stopped).toBe(0);
    expect(camera.receive()).toEqual(FAILED);
    expect(waiting.receive()).toEqual(["OK"]);
    expect(hub.imageNodes()).toEqual(["Good"]);
  });
});

async function health(hub: FaultyHub): Promise<[status: number, text: string]> {
  return await get(`${httpOf(hub)}/healthz`);
}

describe("a hub says at /healthz", () => {
  test("that requests wait, and that they do no longer", async () => {
    await using hub = await FaultyHub.start({ writers: 1, ...WRITERS_ONLY });
    using camera = peer(hub);
    expect(await health(hub)).toEqual([200, "ok\n"]);
    sendImage(camera, "It hangs");
    const [, text] = await answered(
      () => health(hub),
      ([status]) => status === 503,
    );
    expect(text).toMatch(
      /^The disk stalls: 1 request waiting, one has been with a writer for \d+ s\n$/,
    );
    await hub.terminate("writer", 0);
    await answered(
      () => health(hub),
      ([status]) => status === 200,
    );
  });

  test("that a writer is down, until it is replaced", async () => {
    await using hub = await FaultyHub.start({ writers: 2, ...WRITERS_ONLY });
    await hub.terminate("writer", 1);
    const [, text] = await answered(
      () => health(hub),
      ([status]) => status === 503,
    );
    expect(text).toBe("Writer 1 has ended and is not replaced yet\n");
    await answered(
      () => health(hub),
      ([status]) => status === 200,
    );
  });
});

test("a hub with two writers stores with one while the other is replaced", async () => {
  await using hub = await FaultyHub.start({ writers: 2, ...WRITERS_ONLY });
  using camera = peer(hub);
  using good = peer(hub);
  for (let round = 1; round <= 3; round++) {
    sendImage(camera, "It throws");
    for (let count = 0; count < 50; count++) {
      sendImage(good, "Good");
      expect(good.receive()).toEqual(["OK"]);
    }
    expect(camera.receive()).toEqual(FAILED);
  }
  expect(await hub.stop()).toBe(0);
  expect(hub.imageNodes()).toHaveLength(150);
});

test("a hub with ack received answers OK at once, and says that it did not store", async () => {
  await using hub = await FaultyHub.start({ writers: 1, ack: "received" });
  using camera = peer(hub);
  sendImage(camera, "It throws");
  expect(camera.receive()).toEqual(["OK"]);
  await until(
    hub,
    () => linesWith(hub, "Could not store an image: the writer that had it ended").length > 0,
  );
  sendImage(camera, "Good");
  expect(camera.receive()).toEqual(["OK"]);
  await until(hub, () => hub.imageNodes().length === 1);
  expect(await hub.stop()).toBe(0);
});

test("a hub starts although its first writers end at once, each of which is replaced", async () => {
  await using hub = await FaultyHub.start({ writers: 2, ...WRITERS_ONLY }, 3);
  using camera = peer(hub);
  for (let count = 0; count < 10; count++) {
    sendImage(camera, "Good");
    expect(camera.receive()).toEqual(["OK"]);
  }
  expect(linesWith(hub, "A writer has ended and is replaced")).toHaveLength(3);
  expect(await hub.stop()).toBe(0);
});

test("a hub replaces its flusher, and ends after the last flush of the new one", async () => {
  await using hub = await FaultyHub.start({ sync_interval: 0.1 });
  using camera = peer(hub);
  await hub.terminate("flusher", 0);
  await until(hub, () => linesWith(hub, "The flusher has ended and is replaced").length === 1);
  sendImage(camera, "Good");
  expect(camera.receive()).toEqual(["OK"]);
  expect(await hub.stop()).toBe(0);
  expect(hub.imageNodes()).toEqual(["Good"]);
});

describe("a hub whose fast path ends", () => {
  test.each(["throws", "exits"])(
    "answers ERROR for what it had in hand when it %s, and goes on",
    async (fault) => {
      await using hub = await FaultyHub.start({ writers: 1 });
      using camera = peer(hub);
      using other = peer(hub);
      const ends = (thread: string): number =>
        linesWith(hub, `${thread} has ended and is replaced`).length;
      let rounds = 0;
      while (ends("The fast path") < 2) {
        const before = ends("The fast path") + ends("A writer");
        await untilFast(hub, camera);
        sendImage(camera, `Barn ${fault}`);
        expect(camera.receive()).toEqual(FAILED);
        // The receiver serves meanwhile.
        sendImage(other, "Good");
        expect(other.receive()).toEqual(["OK"]);
        rounds++;
        // On a busy machine the receiver may take over just then, and the writer has it in hand.
        await until(hub, () => ends("The fast path") + ends("A writer") > before);
      }
      await untilFast(hub, camera);
      expect(await hub.stop()).toBe(0);
      expect(hub.imageNodes()).toEqual(Array.from({ length: rounds }, () => "Good"));
      expect(linesWith(hub, "The fast path has ended and is replaced hadInHand=true")).toHaveLength(
        2,
      );
    },
  );

  test("goes on when that has nothing in hand, and says at /healthz that it is down", async () => {
    await using hub = await FaultyHub.start({});
    using camera = peer(hub);
    await untilFast(hub, camera);
    await hub.terminate("fast-path", 0);
    const [, text] = await answered(
      () => health(hub),
      ([status]) => status === 503,
    );
    expect(text).toBe("The fast path has ended and is not replaced yet\n");
    sendEvent(camera, "Barn|Temp|1");
    expect(camera.receive()).toEqual(["OK"]);
    await answered(
      () => health(hub),
      ([status]) => status === 200,
    );
    await untilFast(hub, camera);
    expect(await hub.stop()).toBe(0);
  });
});
