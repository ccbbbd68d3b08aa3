/**
 * A hub with a bucket that is killed again and again under load.
 *
 * @module
 */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Program } from "../../../scripts/lib/available.ts";
import type { ReplicationState } from "../../../src/shared/replication-state.ts";
import { sha256Of } from "../../../src/s3/bucket.ts";
import { tempDir } from "../machine/temp.ts";
import { type Ceph, makeBucket } from "../peers/ceph.ts";
import { readJournal, Sender } from "../peers/sender.ts";
import { StoreLink } from "../peers/store-link.ts";
import { type Hub, startHub } from "./hub.ts";
import { answered, statusOf, WITH_HTTP } from "./http.ts";
import { judgeReplica, replicateTo } from "./replica.ts";

/** Longest time until a hub is killed, in milliseconds. */
const ALIVE_MS_MAX = 500;

/**
 * Images that are sent before each kill, at most: more than can be copied until then, and not more
 * than the store has room for.
 */
const IMAGES = 150;

/** After so many kills, the journal of what is in the bucket is removed. */
const JOURNAL_EACH = 4;

/** How long the network has stalled before every second kill, in milliseconds. */
const STALL_MS = 400;

/** What has come of it. */
export interface Outcome {
  /** Images that were answered `OK`. */
  readonly acknowledged: number;
  /** What does not hold. */
  readonly problems: readonly string[];
}

const isDone = (now: ReplicationState): boolean =>
  now.connected_since !== null && now.waiting_images === 0;

/** Waits until the bucket has all. That takes as long as there is something new in it. */
async function allCopied(hub: Hub): Promise<ReplicationState> {
  for (let images = -1; ;) {
    const now = await answered(
      async () => (await statusOf(hub)).replication,
      (state) => state !== null && (isDone(state) || state.images > images),
    );
    if (isDone(now!)) return now!;
    images = now!.images;
  }
}

/**
 * Kills a hub so often, and the gateway of its store once, while a camera sends as fast as it can.
 * Before every second kill the network to the store stalls, so that much is on its way. In the end,
 * it compares what the bucket has with what was answered and with what the disk has.
 */
export async function killAgain(store: Ceph, program: Program, kills: number): Promise<Outcome> {
  const target = await makeBucket(store.address);
  await using link = await StoreLink.start(store.port);
  const behind = { ...target, endpoint: new URL(link.endpoint) };
  using home = tempDir();
  const options = {
    program,
    dir: home.path,
    env: WITH_HTTP,
    settings: { hub: { max_images_write: 1_000_000, replicate: replicateTo(behind) } },
  };
  const [acknowledged, journal] = [new Set<string>(), join(home.path, "sent.jsonl")];
  for (let kill = 1; kill <= kills; kill++) {
    await using hub = await startHub(options);
    await using sender = new Sender(hub.port);
    writeFileSync(journal, "");
    const load = { msg: "Barn|jpg", count: IMAGES, size: 20_000, seed: kill, journal };
    // It ends when the hub does not answer.
    void sender.load(load).catch(() => undefined);
    await Bun.sleep(Math.random() * ALIVE_MS_MAX);
    if (kill === Math.ceil(kills / 2)) {
      await store.killGateway();
      await Bun.sleep(Math.random() * ALIVE_MS_MAX);
      await store.startGateway();
    }
    if (kill % 2 === 1) {
      link.become("stall");
      await Bun.sleep(STALL_MS);
    }
    await hub.kill();
    link.become("pass");
    for (const { reply, sha256 } of readJournal(journal))
      if (reply === "OK") acknowledged.add(sha256);
    if (kill % JOURNAL_EACH === 0)
      rmSync(join(hub.dataDir, ".imagehub/replicated"), { recursive: true, force: true });
  }
  await using hub = await startHub(options);
  const replication = await allCopied(hub);
  const { different } = await judgeReplica(target, hub.dataDir);
  const stored = new Set(hub.images().map(({ bytes }) => sha256Of(bytes)));
  const lost = [...acknowledged].filter((sum) => !stored.has(sum));
  const problems = [
    ...different.map((path) => `${path} is not the same in both`),
    ...lost.map((sum) => `${sum} was answered OK, and is not stored`),
    ...(replication.differences === 0 ? [] : ["the hub itself says that something differs"]),
  ];
  return { acknowledged: acknowledged.size, problems };
}
