/**
 * Hubs that copy what they store into a bucket of a real S3 store, while the store, the network and
 * the hubs fail.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { lacks, PARTS, PROGRAMS, type Program, runsNatively } from "../../scripts/lib/available.ts";
import { defaultSettings } from "../../src/config/schema.ts";
import { EXIT, messageOf } from "../../src/errors.ts";
import type { Status } from "../../src/http/status.ts";
import { Keys } from "../../src/replicate/layout.ts";
import { Link } from "../../src/replicate/link.ts";
import { claim } from "../../src/replicate/owner.ts";
import { Replicator } from "../../src/replicate/replicator.ts";
import { parseSummary } from "../../src/replicate/summary.ts";
import { Segments } from "../../src/replicate/segments.ts";
import { Bucket } from "../../src/s3/bucket.ts";
import type { Target } from "../../src/s3/target.ts";
import { OutletTally } from "../../src/tell/outlet.ts";
import { cable } from "../faults/rows/cable.ts";
import { lacksFor } from "../faults/row.ts";
import { Place } from "../support/archive/days.ts";
import { runCli } from "../support/hub/cli.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { killAgain } from "../support/hub/replica-kills.ts";
import { judgeReplica, keysIn, objectIn, replicateTo } from "../support/hub/replica.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Ceph, makeBucket } from "../support/peers/ceph.ts";
import { Sender } from "../support/peers/sender.ts";
import { StoreLink } from "../support/peers/store-link.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { BARN, FIXTURES } from "./stored.ts";

setDefaultTimeout(120_000);

const NATIVE: Program = process.arch === "arm64" ? "arm64" : "x64";

/** How often a hub is killed. */
const KILLS = 7;

const DAY = "2021-09-23";
const LOG = `imagehub.log.${DAY}`;

type Replication = NonNullable<Status["replication"]>;

/** Waits until the status says so. */
async function copied(hub: Hub, isSo: (now: Replication) => boolean): Promise<Replication> {
  const ask = async (): Promise<Replication | null> => (await statusOf(hub)).replication;
  return (await answered(ask, (now) => now !== null && isSo(now)))!;
}

const allCopied = async (hub: Hub, images: number): Promise<Replication> =>
  await copied(hub, (now) => now.waiting_images === 0 && now.images >= images);

/** Puts an image of an earlier day into a data directory. */
function putOld(home: string, date: string, second: number, content = readFileSync(BARN)): string {
  const folder = join(home, "imagehub_data/images", date);
  mkdirSync(folder, { recursive: true });
  const name = `Old-${date}T10.00.${String(second).padStart(2, "0")}.000000.jpg`;
  writeFileSync(join(folder, name), content);
  return name;
}

/** Puts the event log of a day there that is over. */
function putLog(home: string): void {
  const folder = join(home, "imagehub_data/logs");
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(FIXTURES, LOG), join(folder, LOG));
  utimesSync(join(folder, LOG), 1_632_500_000, 1_632_500_000);
}

async function send(hub: Hub, count: number): Promise<void> {
  await using sender = new Sender(hub.port);
  const replies = [];
  for (let index = 0; index < count; index++)
    replies.push((await sender.jpg(`Barn|jpg|${index}`, { file: BARN })).reply);
  expect(replies).toEqual(Array.from({ length: count }, () => "OK"));
}

/** Starts a hub with a bucket. */
async function hubFor(
  target: Target,
  home: string,
  { program = NATIVE, ...others }: { program?: Program; [key: string]: unknown } = {},
): Promise<Hub> {
  return await startHub({
    program,
    dir: home,
    env: WITH_HTTP,
    settings: { hub: { replicate: replicateTo(target, others) } },
  });
}

const LACKS_STORE = lacks("ceph", "python", ...PARTS[NATIVE]);

describe.skipIf(LACKS_STORE)("a hub with a bucket", () => {
  let store: Ceph;
  beforeAll(async () => {
    store = await Ceph.start();
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
  });

  test.each(PROGRAMS.filter(runsNatively).filter((program) => !lacks(...PARTS[program])))(
    "copies images and events byte for byte, and finishes days that are over (%s)",
    async (program) => {
      const target = await makeBucket(store.address);
      using home = tempDir();
      const old = [0, 1, 2].map((second) => putOld(home.path, DAY, second));
      putLog(home.path);
      {
        await using hub = await hubFor(target, home.path, { program });
        await send(hub, 20);
        {
          await using sender = new Sender(hub.port);
          for (let count = 1; count <= 5; count++)
            expect((await sender.event(`Gate|n|${count}`)).reply).toBe("OK");
        }
        const state = await allCopied(hub, 23);
        expect(state).toMatchObject({ images: 23, differences: 0, last_error: null });
        await answered(
          async () => await keysIn(target, "barn/days/"),
          (keys) => keys.length === 1,
        );
        const [, metrics] = await get(`${httpOf(hub)}/metrics`);
        expect(metrics).toContain("imagehub_replication_images_total 23\n");
        expect(metrics).toContain("imagehub_replication_waiting_images 0\n");
        expect(await hub.stop()).toBe(EXIT.ok);
        const { different, listed, segments } = await judgeReplica(target, hub.dataDir);
        expect(different).toEqual([]);
        expect(listed).toEqual([...old.map((name) => `images/${DAY}/${name}`), `logs/${LOG}`]);
        // The last line may come while the hub ends.
        const log = `${hub.log().join("\n")}\n`;
        expect(log).toStartWith(segments[hub.today()] ?? "none");
        expect(segments[hub.today()]).toContain("Gate|n|5");
      }
      // What comes later has a manifest of its own, and the events go on where they ended.
      const late = putOld(home.path, DAY, 30);
      await using hub = await hubFor(target, home.path, { program });
      await answered(
        async () => await keysIn(target, "barn/days/"),
        (keys) => keys.length === 2,
      );
      expect(await hub.stop()).toBe(EXIT.ok);
      const { different, listed, segments } = await judgeReplica(target, hub.dataDir);
      expect(different).toEqual([]);
      expect(listed).toEqual([
        `images/${DAY}/${late}`,
        ...old.map((name) => `images/${DAY}/${name}`),
        `logs/${LOG}`,
      ]);
      const days = ["", "-2"].map(async (part) => {
        const text = (await objectIn(target, `barn/days/${DAY}${part}.json`)).toString();
        return parseSummary(text, DAY);
      });
      const bytes = readFileSync(BARN).length;
      expect(await Promise.all(days)).toMatchObject([
        { images: 3, bytes: 3 * bytes, events: 794, cameras: [{ name: "Old", last: old[2] }] },
        { images: 1, bytes, events: 0, cameras: [{ first: late, last: late }] },
      ]);
      expect(segments[hub.today()]?.match(/Starting imagehub/g)).toHaveLength(2);
    },
  );

  test.each(["newest", "oldest"] as const)(
    "while the bucket is away, cameras notice nothing; then the %s comes first",
    async (order) => {
      const target = await makeBucket(store.address);
      await using link = await StoreLink.start(store.port, "refuse");
      using home = tempDir();
      const days = ["2021-09-22", DAY];
      for (const date of days) for (const second of [0, 1, 2]) putOld(home.path, date, second);
      const away = { ...target, endpoint: new URL(link.endpoint) };
      await using hub = await hubFor(away, home.path, { order, parallel: 1 });
      await send(hub, 10);
      const refused = await copied(hub, (now) => now.waiting_images === 16);
      expect(refused).toMatchObject({ images: 0, connected_since: null });
      expect(Date.parse(refused.oldest_waiting ?? "")).toBeLessThan(Date.now());
      expect(refused.waiting_bytes).toBe(16 * readFileSync(BARN).length);
      expect(refused.last_error?.message).toContain("cannot be reached");
      const [code, health] = await get(`${httpOf(hub)}/healthz`);
      expect([code, health]).toEqual([200, expect.stringContaining("Replication: ")]);
      link.become("stall");
      await send(hub, 10);
      await copied(hub, (now) => now.waiting_images === 26);
      expect(link.requests).toEqual([]);
      link.become("pass");
      const state = await allCopied(hub, 26);
      expect(state).toMatchObject({ images: 26, differences: 0 });
      const names = link.requests
        .map((line) => /^PUT \S+\/images\/(\S+) /.exec(line)?.[1])
        .filter((name) => name !== undefined);
      expect(new Set(names).size).toBe(26);
      const sorted = names.toSorted();
      expect(names).toEqual(order === "oldest" ? sorted : sorted.toReversed());
      expect((await judgeReplica(target, hub.dataDir)).different).toEqual([]);
      // A put that stalls does not keep the hub from its end, and the image is still to be copied.
      link.become("stall");
      await send(hub, 1);
      expect(await hub.stop()).toBe(EXIT.ok);
      expect((await judgeReplica(target, hub.dataDir)).different).toHaveLength(1);
      // Once, and not for each image.
      expect(linesWith(hub, "cannot be reached").length).toBeLessThan(5);
      expect(linesWith(hub, "takes what is sent")).toHaveLength(1);
    },
  );

  test("killed at any moment, with and without its journal, it has copied every image once", async () => {
    const { acknowledged, problems } = await killAgain(store, NATIVE, KILLS);
    expect(problems).toEqual([]);
    expect(acknowledged).toBeGreaterThan(0);
  });

  test.skipIf(LACKS_STORE || lacksFor(cable, NATIVE))(
    "the cable to its store is pulled, and plugged in again: nothing is lost, and no camera waits",
    async () => {
      const run = { program: NATIVE, short: true, say: () => undefined };
      expect((await cable.run(run)).problems).toEqual([]);
    },
  );

  describe("the event log of an open day", () => {
    const record = (count: number): string => `${DAY} 08:00:00,00${count} ~ Gate|n|${count}\n`;
    const first = `barn/logs/${DAY}/000000000000`;

    /** Gives no ETag that says what is in an object, as with encryption. */
    class Encrypted extends Bucket {
      override async *list(...what: Parameters<Bucket["list"]>) {
        for await (const page of super.list(...what)) {
          const objects = page.objects.map((each) => ({ ...each, etag: "0".repeat(32) }));
          yield { ...page, objects };
        }
      }
    }

    /** Two hubs after each other, with one event log. */
    async function setUp(place: Place, Kind = Bucket) {
      const target = await makeBucket(store.address);
      const told: string[] = [];
      const make = (): Segments =>
        new Segments({
          directory: place.directory,
          guard: guardAt(place.directory.path),
          bucket: new Kind(target),
          link: new Link(new OutletTally("replicate", "", () => {})),
          keys: new Keys("barn"),
          onDifference: (key) => told.push(key),
        });
      const segments = async (): Promise<string> =>
        (await judgeReplica(target, place.directory.path)).segments[DAY] ?? "";
      return { target, told, before: make(), after: make(), segments };
    }

    test("goes on where it ended, also after a put whose answer did not come", async () => {
      using place = new Place();
      const { eventLog } = place.directory;
      const { told, before, after, segments } = await setUp(place);
      place.put(eventLog, record(1).trimEnd());
      await after.put();
      expect(await segments()).toBe("");
      appendFileSync(eventLog, "\n");
      await before.put();
      expect(await segments()).toBe(record(1));
      // It does not know of that one, and has more lines by now.
      appendFileSync(eventLog, record(2) + record(3) + record(4).slice(0, 9));
      await after.put();
      expect(await segments()).toBe(record(1) + record(2) + record(3));
      appendFileSync(eventLog, record(4).slice(9));
      await Promise.all([after.put(), after.put()]);
      expect(await segments()).toBe([1, 2, 3, 4].map(record).join(""));
      expect(told).toEqual([]);
    });

    test("goes on where the ETags of the store do not tell the content", async () => {
      using place = new Place();
      const { told, before, after, segments } = await setUp(place, Encrypted);
      place.put(place.directory.eventLog, record(1));
      await before.put();
      appendFileSync(place.directory.eventLog, record(2));
      await after.put();
      expect([await segments(), told]).toEqual([record(1) + record(2), []]);
    });

    test("is not continued where somebody else puts lines meanwhile", async () => {
      using place = new Place();
      const { eventLog } = place.directory;
      const { target, told, before, segments } = await setUp(place);
      const putOther = async (key: string): Promise<void> => {
        const body = new TextEncoder().encode(record(7));
        await new Bucket(target).put(key, { body, contentType: "text/plain" });
      };
      await putOther(first);
      place.put(eventLog, record(1));
      await before.put();
      // Lines that are there already are those of a disk before this one.
      expect([await segments(), told]).toEqual([record(7) + record(1), []]);
      const next = new Keys("barn").segment(DAY, 2 * record(1).length);
      await putOther(next);
      appendFileSync(eventLog, record(2));
      for (let count = 0; count < 2; count++) await before.put();
      expect([await segments(), told]).toEqual([record(7) + record(1) + record(7), [next]]);
    });
  });

  test("what differs in the bucket is told, and stays as it is", async () => {
    const target = await makeBucket(store.address);
    using home = tempDir();
    const name = putOld(home.path, DAY, 0);
    putOld(home.path, DAY, 1);
    putLog(home.path);
    const key = `barn/images/${DAY}/${name}`;
    const body = new TextEncoder().encode("something else");
    await new Bucket(target).put(key, { body, contentType: "image/jpeg" });
    await using hub = await hubFor(target, home.path);
    await copied(hub, (now) => now.differences === 1 && now.waiting_images === 0);
    await send(hub, 1);
    const { images } = await allCopied(hub, 2);
    expect(images).toBe(2);
    const [code, health] = await get(`${httpOf(hub)}/healthz`);
    expect([code, health]).toEqual([200, expect.stringContaining("1 file with another content")]);
    expect(linesWith(hub, `${key} in the bucket differs from`)).toHaveLength(1);
    expect((await objectIn(target, key)).toString()).toBe("something else");
    // The events of this day are not held up.
    await answered(
      async () => await keysIn(target, "barn/logs/imagehub"),
      (keys) => keys.length === 1,
    );
    expect(await keysIn(target, "barn/manifests/")).toEqual([]);
  });

  test("a store that overwrites is refused", async () => {
    /** Says what a store says that does not know the condition of a put. */
    class Careless extends Bucket {
      override async put(...what: Parameters<Bucket["put"]>) {
        await super.put(...what);
        return "stored" as const;
      }
    }
    using place = new Place();
    const bucket = new Careless(await makeBucket(store.address));
    const link = new Link(new OutletTally("replicate", "", () => {}));
    const parts = { bucket, link, keys: new Keys("barn"), directory: place.directory };
    for (const _ of ["first", "again"])
      expect(await claim(parts).catch(messageOf)).toContain("has overwritten barn/hub.json");
  });

  test("what is in one bucket is put into another one, too", async () => {
    using place = new Place();
    place.image(DAY, "Barn", 1);
    for (const target of [await makeBucket(store.address), await makeBucket(store.address)]) {
      const replicator = new Replicator({
        settings: { ...defaultSettings().replicate, ...replicateTo(target) },
        directory: place.directory,
        guard: guardAt(place.directory.path),
        tally: new OutletTally("replicate", "", () => {}),
        error: () => {},
        atOnce: undefined,
      });
      replicator.start();
      // From the first moment on, it knows how much that is.
      while (replicator.state.connected_since === null) await Bun.sleep(1);
      const { images, waiting_images: waiting } = replicator.state;
      expect(images + waiting).toBe(1);
      const list = async (): Promise<string[]> => await keysIn(target, "barn/manifests/");
      await answered(list, (keys) => keys.length === 1);
      await replicator.stop();
      expect((await judgeReplica(target, place.directory.path)).different).toEqual([]);
    }
  });

  test("wrong keys are told, and hold up no camera", async () => {
    const target = await makeBucket(store.address);
    using home = tempDir();
    await using hub = await hubFor({ ...target, secretKey: "WRONG" }, home.path);
    await send(hub, 3);
    const wrong = "does not accept the secret key";
    const state = await copied(hub, (now) => now.last_error !== null && now.waiting_images === 3);
    expect(state.last_error?.message).toContain(wrong);
    expect(state.connected_since).toBeNull();
    expect((await get(`${httpOf(hub)}/healthz`))[1]).toContain(wrong);
    await until(hub, () => linesWith(hub, wrong).length === 1);
    expect(hub.output()).not.toContain("WRONG");
    expect(await keysIn(target)).toEqual([]);
  });

  test("two hubs do not share a folder, until one adopts it", async () => {
    const target = await makeBucket(store.address);
    using first = tempDir();
    using second = tempDir();
    {
      await using hub = await hubFor(target, first.path);
      await send(hub, 2);
      await allCopied(hub, 2);
    }
    {
      await using hub = await hubFor(target, second.path);
      await send(hub, 2);
      const told = "belongs to another data directory";
      const { last_error: error } = await copied(hub, (now) => now.last_error !== null);
      expect(error?.message).toContain(told);
      await until(hub, () => linesWith(hub, told).length === 1);
      expect((await keysIn(target, "barn/images/")).length).toBe(2);
    }
    const command = ["replicate", "adopt", "--path", second.path];
    const adopted = await runCli(command, { home: second.path });
    expect(adopted).toMatchObject({
      status: EXIT.ok,
      stdout: expect.stringContaining("belongs to"),
    });
    expect(await keysIn(target, "barn/hub")).toEqual(["barn/hub-2.json", "barn/hub.json"]);
    await using hub = await hubFor(target, second.path);
    await allCopied(hub, 2);
    expect((await keysIn(target, "barn/images/")).length).toBe(4);
    await using former = await hubFor(target, first.path);
    await until(former, () => linesWith(former, "belongs to another data directory").length === 1);
  });
});
