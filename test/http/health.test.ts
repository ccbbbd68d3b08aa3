import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { defaultSettings } from "../../src/config/schema.ts";
import { reasonsAgainst } from "../../src/http/health.ts";
import { Overview } from "../../src/http/overview.ts";
import { createShared, Integer } from "../../src/shared/memory.ts";
import { lacks, PARTS, type Program, PROGRAMS } from "../../scripts/lib/available.ts";
import { lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { Sender } from "../support/peers/sender.ts";
import { tempDir } from "../support/machine/temp.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { Turning } from "../support/hub/turning.ts";

setDefaultTimeout(120_000);

type Health = [status: number, text: string];

const MIB = 1024 * 1024;

const health = async (hub: Hub): Promise<Health> => await get(`${httpOf(hub)}/healthz`);

/** Waits until the hub says so. */
async function untilStatus(hub: Hub, wanted: number): Promise<string> {
  const [, text] = await answered(
    () => health(hub),
    ([status]) => status === wanted,
  );
  return text;
}

let turning: Turning;

function overviewIn(directory: string): Overview {
  const shared = createShared(1);
  turning = new Turning(shared);
  guardAt(directory, shared);
  return new Overview(
    { ...defaultSettings(), data_directory: directory },
    shared,
    turning.liveness,
  );
}

describe("reasonsAgainst", () => {
  afterEach(() => turning[Symbol.dispose]());

  test("gives all that keeps a hub from storing, and nothing when it is over", async () => {
    using temp = tempDir();
    const overview = overviewIn(temp.path);
    expect(await reasonsAgainst(overview)).toEqual([]);
    overview.update({
      type: "activity",
      nodes: [],
      count: 0,
      isNews: false,
      outcomes: { image: "Could not store an image: no" },
    });
    overview.note("flush", "Could not flush to disk: no");
    overview.down.add("Writer 3");
    overview.shared.integers[Integer.stalledSeconds] = 5;
    expect(await reasonsAgainst(overview)).toEqual([
      "Could not store an image: no",
      "Could not flush to disk: no",
      "Writer 3 has ended and is not replaced yet",
      "The disk stalls: 0 requests waiting, one has been with a writer for 5 s",
    ]);
    overview.update({
      type: "activity",
      nodes: [],
      count: 0,
      isNews: false,
      outcomes: { image: null, event: null },
    });
    overview.note("flush", null);
    overview.down.delete("Writer 3");
    overview.shared.integers[Integer.stalledSeconds] = 4;
    expect(await reasonsAgainst(overview)).toEqual([]);
  });

  test("says that the clock is wrong, until it is set", async () => {
    using temp = tempDir();
    const overview = overviewIn(temp.path);
    overview.shared.integers[Integer.clockFloor] = 29990101;
    expect(await reasonsAgainst(overview)).toEqual([
      `The clock is wrong: it shows ${overview.today.date}, but today is 2999-01-01 or later. Images are stored under the wrong date`,
    ]);
    overview.shared.integers[Integer.clockFloor] = overview.today.day;
    expect(await reasonsAgainst(overview)).toEqual([]);
  });

  test("names a thread that does not go round its loop", async () => {
    using temp = tempDir();
    const overview = overviewIn(temp.path);
    turning.stop();
    expect(await reasonsAgainst(overview)).toEqual(["Not responding: receiver"]);
  });

  test("forgets a failure after which nothing of its kind was tried for a minute", async () => {
    using temp = tempDir();
    const overview = overviewIn(temp.path);
    const atMs = performance.now();
    overview.troubles.set("event", { reason: "a minute ago", atMs: atMs - 60_001 });
    overview.troubles.set("image", { reason: "half a minute ago", atMs: atMs - 30_000 });
    expect(await reasonsAgainst(overview)).toEqual(["half a minute ago"]);
  });

  test("gives that the hub stops, which is all that counts then", async () => {
    using temp = tempDir();
    const overview = overviewIn(temp.path);
    overview.down.add("Writer 0");
    overview.shared.integers[Integer.stopping] = 1;
    expect(await reasonsAgainst(overview)).toEqual(["The hub is stopping"]);
  });
});

/** A hub that stores on this disk, and has written there what it writes at its start. */
async function startOn(disk: SmallDisk, program: Program = "source"): Promise<Hub> {
  const data = join(disk.path, "data");
  const hub = await startHub({ program, env: { ...WITH_HTTP, IMAGEHUB_DATA_DIRECTORY: data } });
  await answered(
    () => Promise.resolve(Bun.file(join(data, "logs/imagehub.log")).size),
    (bytes) => bytes > 0,
  );
  return hub;
}

describe.skipIf(lacks("python") || lacksMount())("/healthz of a hub with a small disk", () => {
  describe.each(PROGRAMS.filter((program) => program !== "arm64"))("(%s)", (program) => {
    test.skipIf(lacks(...PARTS[program]))(
      "is 503 while the disk is full, and 200 when it is not",
      async () => {
        using disk = new SmallDisk("size=64m");
        await using hub = await startOn(disk, program);
        await using sender = new Sender(hub.port);
        expect(await health(hub)).toEqual([200, "ok\n"]);
        disk.fill();
        const refused = await sender.jpg("Barn|jpg|", { size: 100_000 });
        expect(refused.reply).toStartWith("ERROR cannot store: no space left on the device");
        const reasons = await answered(
          async () => (await health(hub))[1],
          (text) => text.includes("Could not store an image"),
        );
        expect(reasons).toContain("no space left on the device (write: ENOSPC)");
        await answered(
          async () => (await health(hub))[1],
          (text) => text.includes("The disk is full: 0 bytes are free for "),
        );
        disk.makeRoom();
        expect((await sender.jpg("Barn|jpg|", { size: 100_000 })).reply).toBe("OK");
        expect(await untilStatus(hub, 200)).toBe("ok\n");
      },
    );
  });

  test("is 503 before an image is lost, when nothing comes, and 200 when there is room", async () => {
    using disk = new SmallDisk("size=64m");
    await using hub = await startOn(disk);
    disk.fill(MIB);
    expect(await untilStatus(hub, 503)).toStartWith(`The disk is full: ${MIB} bytes are free for `);
    disk.makeRoom();
    await untilStatus(hub, 200);
  });

  test("is 503 while the disk is read-only, when nothing comes, and 200 when it is not", async () => {
    using disk = new SmallDisk("size=64m");
    await using hub = await startOn(disk);
    disk.remount("ro");
    expect(await untilStatus(hub, 503)).toStartWith("Cannot write to ");
    disk.remount("rw");
    await untilStatus(hub, 200);
  });
});

test("a hub says that it stops, or nothing, from when it was asked to", async () => {
  await using hub = await startHub({ env: WITH_HTTP });
  const url = `${httpOf(hub)}/healthz`;
  const stopped = hub.stop();
  const seen = await answered(
    async () => await get(url).catch((): Health => [0, ""]),
    ([status]) => status !== 200,
  );
  expect(seen[1] === "" || seen[1] === "The hub is stopping\n").toBe(true);
  expect(await stopped).toBe(0);
});
