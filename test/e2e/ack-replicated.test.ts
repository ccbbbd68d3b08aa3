/**
 * Hubs that answer when the bucket has what was sent, in front of a real S3 store. The store is
 * late, refuses and is away, and hubs die with their disks.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lacks, PARTS, PROGRAMS, type Program, runsNatively } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import { Bucket, sha256Of } from "../../src/s3/bucket.ts";
import type { Target } from "../../src/s3/target.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { linesWith } from "../support/hub/output.ts";
import { judgeReplica, keysIn, objectIn, replicateTo } from "../support/hub/replica.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Ceph, makeBucket } from "../support/peers/ceph.ts";
import { readJournal, type Reply, Sender } from "../support/peers/sender.ts";
import { StoreLink } from "../support/peers/store-link.ts";
import { StoreProxy } from "../support/peers/store-proxy.ts";
import { BARN } from "./stored.ts";

setDefaultTimeout(120_000);

const NATIVE: Program = process.arch === "arm64" ? "arm64" : "x64";

/** Longer than any test takes. */
const LONG_S = 100;

const image = readFileSync(BARN);

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

/** What the bucket has of a hub's images, by SHA-256. */
async function sumsIn(target: Target): Promise<Set<string>> {
  const keys = (await keysIn(target)).filter((key) => key.includes("/images/"));
  return new Set(
    await Promise.all(keys.map(async (key) => sha256Of(await objectIn(target, key)))),
  );
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
    const senders = Array.from({ length: 6 }, () => new Sender(hub.port));
    const [first, ...others] = senders;
    // So that the folder is known to be this hub's.
    expect((await first!.jpg("Barn|jpg", { file: BARN })).reply).toBe("OK");
    expect((await first!.event("Gate|n|0")).reply).toBe("OK");
    link.become("hold");
    const replies: Promise<Reply>[] = [
      first!.jpg("Barn|jpg", { file: BARN }),
      ...others.map(async (sender, index) => await sender.event(`Gate|n|${index + 1}`)),
    ];
    await awaited(hub, senders.length);
    const [, metrics] = await get(`${httpOf(hub)}/metrics`);
    expect(metrics).toContain(`imagehub_replication_awaited_requests ${senders.length}\n`);
    expect(await Promise.all(replies.map(isSettled))).not.toContain(true);
    expect((await keysIn(target, "barn/images/")).length).toBe(1);
    link.become("pass");
    expect((await Promise.all(replies)).map(({ reply }) => reply)).toEqual(
      senders.map(() => "OK"),
    );
    // At this moment, and not some time later.
    const { different, segments } = await judgeReplica(target, hub.dataDir);
    expect(different).toEqual([]);
    const lines = segments[hub.today()]?.match(/Gate\|n\|\d/g)?.toSorted();
    expect(lines).toEqual([0, 1, 2, 3, 4, 5].map((count) => `Gate|n|${count}`));
    // Those that came while one was on its way went together.
    expect((await keysIn(target, "barn/logs/")).length).toBeLessThanOrEqual(5);
    for (const sender of senders) await sender[Symbol.asyncDispose]();
    expect(await hub.stop()).toBe(EXIT.ok);
  });
});
