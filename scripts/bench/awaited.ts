/**
 * How long cameras wait with `ack: replicated`, beside what a put of the same bytes at the same
 * pace takes the store itself.
 *
 * @module
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Target } from "../../src/s3/target.ts";
import { type Ceph, makeBucket } from "../../test/support/peers/ceph.ts";
import { cameras, startBeside } from "./beside.ts";
import type { LoadResult } from "./load.ts";
import { makePayloads } from "./payloads.ts";
import { cpuSeconds } from "./usage.ts";

/** Cameras, and images a second of each. */
const CAMERAS = 100;
const RATE = 1;

/**
 * How long both do the same before it is measured, in seconds: the runtime compiles what it runs.
 */
export const WARMUP_S = 8;

/** The hub knows by then that the folder of the bucket is its own. */
const STARTED_MS = 2000;

const putsSchema = z.object({ p50Us: z.number(), p99Us: z.number() });

/** What was measured in one round. */
export interface Awaited {
  readonly answers: LoadResult;
  readonly puts: z.output<typeof putsSchema>;
  /** Processor time of the hub, in seconds an image. */
  readonly cpu: number;
}

/**
 * Measures both, one after the other.
 *
 * @param load the program that sends
 * @param settings of a hub with this bucket
 */
export async function measureAwaited(
  folder: string,
  load: string,
  store: Ceph,
  settings: (target: Target) => string,
  { seconds, putsFirst }: { readonly seconds: number; readonly putsFirst: boolean },
): Promise<Awaited> {
  mkdirSync(folder);
  const target = await makeBucket(store.address);
  const { jpeg } = await makePayloads();
  const file = join(folder, "payload");
  writeFileSync(file, jpeg.body);
  // Who comes second has a fuller store.
  const before = putsFirst ? await ownPuts(target, file, seconds) : undefined;
  await using hub = await startBeside(
    folder,
    `  max_images_write: 1000000\n  ack_timeout: 60\n${settings(target)}`,
    STARTED_MS,
    "replicated",
  );
  await cameras(load, hub, jpeg, WARMUP_S, RATE, CAMERAS);
  const startS = cpuSeconds(hub.pid);
  const answers = await cameras(load, hub, jpeg, seconds, RATE, CAMERAS);
  const cpu = (cpuSeconds(hub.pid) - startS) / answers.ok;
  await hub.stop();
  return { answers, puts: before ?? (await ownPuts(target, file, seconds)), cpu };
}

async function ownPuts(
  { endpoint, bucket, accessKey, secretKey }: Target,
  file: string,
  seconds: number,
): Promise<Awaited["puts"]> {
  const script = join(import.meta.dir, "puts.ts");
  const words = [endpoint.origin, bucket, accessKey, secretKey, file, CAMERAS * RATE, seconds];
  const child = Bun.spawn([process.execPath, script, ...words.map(String)], { stderr: "inherit" });
  return putsSchema.parse(JSON.parse(await new Response(child.stdout).text()));
}
