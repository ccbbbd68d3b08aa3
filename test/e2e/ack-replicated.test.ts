/**
 * Hubs that answer when the bucket has what was sent, in front of a real S3 store. The store is
 * late, refuses and is away, and hubs die with their disks.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lacks, PARTS, PROGRAMS, type Program, runsNatively } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import { Calendar } from "../../src/protocol/calendar.ts";
import { finishDay, putLog } from "../../src/replicate/finish.ts";
import { Journal } from "../../src/replicate/journal.ts";
import { Keys } from "../../src/replicate/layout.ts";
import { Link } from "../../src/replicate/link.ts";
import { Segments } from "../../src/replicate/segments.ts";
import { parseSummary } from "../../src/replicate/summary.ts";
import { Bucket, sha256Of } from "../../src/s3/bucket.ts";
import type { Target } from "../../src/s3/target.ts";
import { createShared } from "../../src/shared/memory.ts";
import { EventLog } from "../../src/store/event-log.ts";
import { type LogPlace, parseLogPlace } from "../../src/store/log-place.ts";
import { OutletTally } from "../../src/tell/outlet.ts";
import { Place } from "../support/archive/days.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { linesWith } from "../support/hub/output.ts";
import { judgeReplica, keysIn, objectIn, replicateTo } from "../support/hub/replica.ts";
import { FakeClock } from "../support/machine/fake-clock.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Ceph, makeBucket } from "../support/peers/ceph.ts";
import { readJournal, type Reply, Sender } from "../support/peers/sender.ts";
import { StoreLink } from "../support/peers/store-link.ts";
import { StoreProxy } from "../support/peers/store-proxy.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { BARN } from "./stored.ts";

setDefaultTimeout(120_000);

const NATIVE: Program = process.arch === "arm64" ? "arm64" : "x64";

/** Longer than any test takes. */
const LONG_S = 100;

/** Starts a hub that answers when the bucket has it. */
async function hubFor(
  target: Target,
  { program = NATIVE, name = "barn", ...others }: { program?: Program; [key: string]: unknown },
): Promise<Hub> {
  const hub = { ack: "replicated", replicate: replicateTo(target, { name }), ...others };
  return await startHub({ program, env: WITH_HTTP, settings: { hub } });
}

/** The same target behind a link. */
const behind = (target: Target, { endpoint }: StoreLink | StoreProxy): Target => ({
  ...target,
  endpoint: new URL(endpoint),
});

/** Waits until so many cameras wait for the bucket. */
async function awaited(hub: Hub, count: number): Promise<void> {
  await answered(
    async () => (await statusOf(hub)).queue.awaiting_bucket,
    (now) => now === count,
  );
}

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => true), Bun.sleep(0).then(() => false)]);
}

/** The replies, in their order. */
async function repliesOf(all: readonly Promise<Reply>[]): Promise<(string | null)[]> {
  return (await Promise.all(all)).map(({ reply }) => reply);
}

/** Cameras of one hub. */
class Cameras implements AsyncDisposable {
  readonly all: readonly Sender[];

  constructor({ port }: Hub, count: number) {
    this.all = Array.from({ length: count }, () => new Sender(port));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map(async (sender) => await sender[Symbol.asyncDispose]()));
  }
}

/** The SHA-256 of what was answered `OK`. @param journal of a load */
const okIn = (journal: string): string[] =>
  readJournal(journal)
    .filter(({ reply }) => reply === "OK")
    .map(({ sha256 }) => sha256);

/** What the bucket has of a hub's images, by SHA-256. */
async function sumsIn(target: Target): Promise<Set<string>> {
  const keys = (await keysIn(target)).filter((key) => key.includes("/images/"));
  return new Set(await Promise.all(keys.map(async (key) => sha256Of(await objectIn(target, key)))));
}

describe.skipIf(lacks("ceph", "python", ...PARTS[NATIVE]))("with ack: replicated", () => {
  let store: Ceph;
  beforeAll(async () => {
    store = await Ceph.start();
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
  });

  test.concurrent.each(
    PROGRAMS.filter(runsNatively).filter((program) => !lacks(...PARTS[program])),
  )("OK comes when the bucket has it, and not before (%s)", async (program) => {
    const target = await makeBucket(store.address);
    await using link = await StoreLink.start(store.port);
    await using hub = await hubFor(behind(target, link), { program, ack_timeout: LONG_S });
    await using cameras = new Cameras(hub, 4);
    const [first, ...others] = cameras.all;
    // So that the folder is known to be this hub's.
    expect((await first!.jpg("Barn|jpg", { file: BARN })).reply).toBe("OK");
    expect((await first!.event("Gate|n|0")).reply).toBe("OK");
    link.become("hold");
    const replies: Promise<Reply>[] = [
      first!.raw("Barn|image", { kind: "bgr", width: 64, height: 48 }),
      ...others.map(async (sender, index) => await sender.event(`Gate|n|${index + 1}`)),
    ];
    await awaited(hub, replies.length);
    const [, metrics] = await get(`${httpOf(hub)}/metrics`);
    expect(metrics).toContain(`imagehub_replication_awaited_requests ${replies.length}\n`);
    expect(await Promise.all(replies.map(isSettled))).not.toContain(true);
    expect(await keysIn(target, "barn/images/")).toHaveLength(1);
    link.become("pass");
    expect(await repliesOf(replies)).toEqual(replies.map(() => "OK"));
    // At this moment, and not some time later.
    const { different, segments } = await judgeReplica(target, hub.dataDir);
    expect(different).toEqual([]);
    const lines = segments[hub.today()]?.match(/Gate\|n\|\d/g)?.toSorted();
    expect(lines).toEqual([0, 1, 2, 3].map((count) => `Gate|n|${count}`));
    // Those that came while one was on its way went together.
    expect((await keysIn(target, "barn/logs/")).length).toBeLessThanOrEqual(5);
    expect(await hub.stop()).toBe(EXIT.ok);
  });

  test.concurrent("if that takes too long, it is ERROR, and the bucket gets it later", async () => {
    const target = await makeBucket(store.address);
    await using link = await StoreLink.start(store.port);
    const settings = { ack_timeout: 0.3, max_images_write: 2 };
    await using hub = await hubFor(behind(target, link), settings);
    await using cameras = new Cameras(hub, 2);
    const [one, other] = cameras.all as [Sender, Sender];
    const event = async (text: string): Promise<string> => (await other.event(text)).reply ?? "";
    await answered(
      async () => await event("Gate|n|0"),
      (reply) => reply === "OK",
    );
    link.become("stall");
    const late = "ERROR not in the bucket yet: the store has not confirmed it within 0.3 s";
    const send = async (): Promise<string | null> =>
      (await one.jpg("Barn|jpg", { file: BARN })).reply;
    expect(await send()).toStartWith(late);
    expect(await event("Gate|n|1")).toStartWith(late);
    link.become("refuse");
    expect(await send()).toStartWith("ERROR not in the bucket yet: ");
    await answered(
      async () => await event("Gate|n|1"),
      (reply) => /^ERROR not in the bucket yet: .* cannot be reached/.test(reply),
    );
    // The folder has its two images. There is nothing to wait for.
    expect(await send()).toBe("OK");
    expect((await one.heartbeat("Barn")).reply).toBe("OK");
    const [code, health] = await get(`${httpOf(hub)}/healthz`);
    expect([code, health]).toEqual([200, expect.stringContaining("cameras are answered ERROR")]);
    await awaited(hub, 0);
    const { totals } = await statusOf(hub);
    expect(totals).toMatchObject({ images: 2, failed: 0 });
    expect(totals["unconfirmed"]).toBeGreaterThanOrEqual(4);
    expect(linesWith(hub, "because it is not in the bucket yet").length).toBeGreaterThan(0);
    link.become("pass");
    await answered(
      async () => (await statusOf(hub)).replication,
      (now) => now?.images === 2 && now.waiting_images === 0,
    );
    await answered(
      async () => await event("Gate|n|2"),
      (reply) => reply === "OK",
    );
    const { different, segments } = await judgeReplica(target, hub.dataDir);
    expect(different).toEqual([]);
    for (const count of [1, 2]) expect(segments[hub.today()]).toContain(`Gate|n|${count}\n`);
  });

  test.concurrent(
    "a store that is busy for a moment is asked again, and a stop waits",
    async () => {
      const target = await makeBucket(store.address);
      await using proxy = await StoreProxy.start(store.address.endpoint);
      await using hub = await hubFor(behind(target, proxy), { ack_timeout: LONG_S });
      await using cameras = new Cameras(hub, 2);
      const [one, other] = cameras.all as [Sender, Sender];
      expect((await one.event("Gate|n|0")).reply).toBe("OK");
      // The answer to the second put is lost: the third one finds it there.
      proxy.faults.push("busy", "lost", "busy");
      expect((await one.jpg("Barn|jpg", { file: BARN })).reply).toBe("OK");
      expect((await judgeReplica(target, hub.dataDir)).different).toEqual([]);
      proxy.faults.push("busy", "busy", "busy");
      const replies = [one.jpg("Barn|jpg", { file: BARN }), other.event("Gate|n|1")];
      await answered(
        async () => (await statusOf(hub)).totals,
        (totals) => totals["images"] === 2 && totals["events"] === 2,
      );
      expect(await hub.stop()).toBe(EXIT.ok);
      expect(await repliesOf(replies)).toEqual(["OK", "OK"]);
      const { different, segments } = await judgeReplica(target, hub.dataDir);
      expect(different).toEqual([]);
      expect(segments[hub.today()]).toContain("Gate|n|1\n");
    },
  );

  test.concurrent("what cannot get there is ERROR, and a stop does not wait for ever", async () => {
    const target = await makeBucket(store.address);
    await using link = await StoreLink.start(store.port);
    const bucket = new Bucket(target);
    const body = new TextEncoder().encode('{"id": "another", "host": "pi-barn"}');
    await bucket.put("taken/hub.json", { body, contentType: "application/json" });
    await using others = await hubFor(target, { name: "taken", ack_timeout: 1 });
    await using camera = new Sender(others.port);
    expect((await camera.jpg("Barn|jpg", { file: BARN })).reply).toMatch(
      /^ERROR not in the bucket yet: taken\/ .* belongs to another data directory, on pi-barn/,
    );
    expect(await keysIn(target, "taken/")).toEqual(["taken/hub.json"]);
    const lines = new TextEncoder().encode("2021-09-23 08:00:00,001 ~ of another disk\n");
    const segment = new Keys("barn").segment(others.today(), 0);
    await bucket.put(segment, { body: lines, contentType: "text/plain" });
    await using hub = await hubFor(behind(target, link), { ack_timeout: LONG_S });
    await using cameras = new Cameras(hub, 1);
    const [one] = cameras.all as [Sender];
    // Its lines go on after those.
    expect((await one.event("Gate|n|1")).reply).toBe("OK");
    const { segments } = await judgeReplica(target, hub.dataDir);
    expect(segments[hub.today()]).toMatch(/ of another disk\n(.*\n)*.* ~ Gate\|n\|1\n/u);
    link.become("hold");
    const reply = one.jpg("Barn|jpg", { file: BARN });
    await awaited(hub, 1);
    expect(await hub.stop()).toBe(EXIT.ok);
    expect((await reply).reply).toBe("ERROR not in the bucket yet: the hub stops");
  });

  test.concurrent(
    "events are known to be in the bucket, over midnight and not if cut",
    async () => {
      using place = new Place();
      const target = await makeBucket(store.address);
      const { directory } = place;
      const guard = guardAt(directory.path);
      const clock = FakeClock.at("2021-09-23T23:59:59.000000");
      const log = new EventLog(guard, new Calendar(clock), createShared(1), false, true);
      const told: string[] = [];
      const segments = new Segments({
        directory,
        guard,
        bucket: new Bucket(target),
        link: new Link(new OutletTally("replicate", "", () => {})),
        keys: new Keys("barn"),
        onDifference: (key) => told.push(key),
      });
      const places: LogPlace[] = [];
      const append = (text: string): number => places.push(parseLogPlace(log.append(text)));
      const states = (): string[] => places.map((each) => segments.stateOf(each));
      append("Gate|n|1");
      await segments.put();
      append("Gate|n|2");
      expect(states()).toEqual(["there", "waiting"]);
      clock.advance(1);
      append("Gate|n|3");
      append("Gate|n|4");
      await segments.put();
      expect(states()).toEqual(["there", "there", "there", "there"]);
      const { segments: there } = await judgeReplica(target, directory.path);
      expect(Object.keys(there)).toEqual(["2021-09-23", "2021-09-24"]);
      expect(there["2021-09-23"]).toBe(readFileSync(directory.datedLog(20_210_923), "utf8"));
      expect(there["2021-09-24"]).toBe(readFileSync(directory.eventLog, "utf8"));
      truncateSync(directory.eventLog);
      append("Gate|n|5");
      await segments.put();
      expect(states().slice(2)).toEqual(["never", "never", "never"]);
      expect(told).toEqual(["barn/logs/2021-09-24/"]);
    },
  );

  test.concurrent("a log that lacks lines of the bucket goes on after them", async () => {
    using place = new Place();
    const target = await makeBucket(store.address);
    const { directory } = place;
    const guard = guardAt(directory.path);
    const clock = FakeClock.at("2021-09-23T23:59:00.000000");
    const told: string[] = [];
    const onDifference = (key: string): unknown => told.push(key);
    const link = new Link(new OutletTally("replicate", "", () => {}));
    const keys = new Keys("barn");
    const parts = { directory, guard, bucket: new Bucket(target), link, keys, onDifference };
    const lines = async (): Promise<string[]> =>
      Object.values((await judgeReplica(target, directory.path)).segments).flatMap((text) =>
        Array.from(text.matchAll(/Gate\|n\|(\d)/gu), ([, number]) => number!),
      );
    let segments = new Segments(parts);
    let log: EventLog;
    /** As after a start. */
    const start = (): void => {
      segments = new Segments(parts);
      log = new EventLog(guard, new Calendar(clock), createShared(1), false, true);
    };
    const put = async (number: number): Promise<void> => {
      const at = parseLogPlace(log.append(`Gate|n|${number}`));
      await segments.put();
      expect(segments.stateOf(at)).toBe("there");
    };
    start();
    await put(1);
    const { size } = statSync(directory.eventLog);
    await put(2);
    // A power cut takes the last line.
    truncateSync(directory.eventLog, size);
    start();
    await put(3);
    start();
    await put(4);
    rmSync(directory.eventLog);
    start();
    await put(5);
    expect(await lines()).toEqual(["1", "2", "3", "4", "5"]);
    log!.append("Gate|n|6");
    clock.advance(60);
    start();
    await put(7);
    expect(await lines()).toEqual(["1", "2", "3", "4", "5", "7"]);
    // As a whole, it would hide the lines that it lacks.
    utimesSync(directory.datedLog(20_210_923), 1_632_500_000, 1_632_500_000);
    const finish = {
      ...parts,
      putLines: async (date: string) => await segments.putOver(date),
      isRefused: () => false,
      hasRefused: () => false,
    };
    const journal = new Journal(directory, "2021-09-23");
    const image = "images/2021-09-23/Barn-2021-09-23T10.00.00.000000.jpg";
    const body = Buffer.from("an image");
    await parts.bucket.put(keys.of(image), { body, contentType: "image/jpeg" });
    journal.note(image, sha256Of(body));
    const look = { hasLog: true, logSum: undefined };
    expect(await finishDay(finish, "2021-09-23", look, journal)).toBe(true);
    const summary = await objectIn(target, "barn/days/2021-09-23.json");
    expect(parseSummary(summary.toString(), "2021-09-23")?.events).toBe(6);
    expect(await lines()).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
    expect(await keysIn(target, "barn/logs/imagehub")).toEqual([]);
    expect(told).toEqual(["logs/2021-09-23/"]);
    // With those lines, it is put.
    rmSync(directory.datedLog(20_210_923));
    const { segments: all } = await judgeReplica(target, directory.path);
    writeFileSync(directory.datedLog(20_210_923), `before\n${all["2021-09-23"]}after\n`);
    utimesSync(directory.datedLog(20_210_923), 1_632_500_000, 1_632_500_000);
    expect(await putLog(finish, "2021-09-23", undefined, journal)).toBe(true);
    expect(await keysIn(target, "barn/logs/imagehub")).toHaveLength(1);
  });

  test.concurrent(
    "of three hubs in one bucket, one dies with its disk: no OK is lost",
    async () => {
      const target = await makeBucket(store.address);
      using temp = tempDir();
      await using stack = new AsyncDisposableStack();
      const hubs = await Promise.all(
        ["one", "two", "three"].map(async (name) =>
          stack.use(
            await hubFor(target, { name, ack_timeout: LONG_S, max_images_write: 1_000_000 }),
          ),
        ),
      );
      const journals: string[] = [];
      const senders = hubs.flatMap((hub, index) =>
        [0, 1].map((number) => {
          const sender = stack.use(new Sender(hub.port));
          const journal = join(temp.path, `${index}-${number}.jsonl`);
          const load = { msg: `Barn ${number}|jpg`, count: 100_000, size: 20_000 };
          journals.push(journal);
          writeFileSync(journal, "");
          void sender.load({ ...load, seed: journals.length, journal }).catch(() => undefined);
          return sender;
        }),
      );
      const gate = stack.use(new Sender(hubs[0]!.port));
      const events: string[] = [];
      void (async () => {
        for (let count = 0; (await gate.event(`Gate|n|${count}`)).reply === "OK"; count++)
          events.push(`Gate|n|${count}`);
      })().catch(() => undefined);
      await answered(
        async () =>
          await Promise.resolve([events, ...journals.map(okIn)].map(({ length }) => length)),
        (counts) => counts.every((count) => count > 20),
      );
      await hubs[0]!.kill();
      rmSync(hubs[0]!.dataDir, { recursive: true });
      await answered(
        async () => await Promise.resolve(okIn(journals.at(-1)!).length),
        (count) => count > 60,
      );
      await Promise.all(
        [...senders, gate].map(async (sender) => await sender[Symbol.asyncDispose]()),
      );
      const acknowledged = journals.flatMap(okIn);
      const there = await sumsIn(target);
      expect(acknowledged.filter((sum) => !there.has(sum))).toEqual([]);
      const segments = await keysIn(target, "one/logs/");
      const parts = await Promise.all(segments.map(async (key) => await objectIn(target, key)));
      const lines = new Set(
        parts
          .join("")
          .split("\n")
          .map((line) => line.split(" ~ ")[1]),
      );
      expect(events.filter((event) => !lines.has(event))).toEqual([]);
    },
  );
});
