/**
 * A hub on one machine copies into a store on another one, and the cable between the two is pulled
 * under load. Prints what has come of it, as JSON. Needs root.
 *
 *     store-cable.ts PROGRAM SECONDS
 *
 * @module
 */

import { Machines, inOwnNetwork } from "../../scripts/lib/machines.ts";
import type { Program } from "../../scripts/lib/available.ts";
import type { Target } from "../../src/s3/target.ts";
import { keysIn, objectIn, replicateTo } from "../support/hub/replica.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Ceph, makeBucket } from "../support/peers/ceph.ts";
import { Crowd, identityIn } from "../support/peers/crowd.ts";
import { FaultHub } from "./hub.ts";

/** How long the store may take to have everything afterwards, in milliseconds. */
const COMES_MS_MAX = 60_000;

const [program, seconds] = process.argv.slice(2) as [Program, string];

/** How often each image is in the bucket, by what stands in it. */
async function imagesIn(target: Target): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const key of await keysIn(target, "barn/images/")) {
    const identity = identityIn(await objectIn(target, key));
    found.set(identity, (found.get(identity) ?? 0) + 1);
  }
  return found;
}

await inOwnNetwork();
const network = new Machines();
const farm = network.add("farm");
using data = tempDir();
await using store = await Ceph.start(network.address);
const target = await makeBucket(store.address);
await using hub = new FaultHub({
  program,
  data: data.path,
  settings: { replicate: replicateTo(target) },
  before: farm.on,
});
await hub.start();
const crowd = new Crowd({
  on: farm.on,
  endpoint: hub.address,
  cameras: 4,
  rate: 5,
  bytes: 20_000,
  timeoutS: 10,
});
const count = async (): Promise<number> => (await keysIn(target, "barn/images/")).length;
while ((await count()) === 0) await Bun.sleep(50);
farm.unplug();
await Bun.sleep(Number(seconds) * 1000);
const before = await count();
farm.plugIn();
await Bun.sleep(500);
const { ok, refused, lost } = await crowd.end();
const wereMissing = ok.length - before;
for (const end = performance.now() + COMES_MS_MAX; performance.now() < end; await Bun.sleep(200))
  if ((await count()) >= ok.length) break;
const found = await imagesIn(target);
const missing = ok.map(({ identity }) => identity).filter((each) => !found.has(each));
const problems = [
  ...(wereMissing < 10 ? ["the cable was not pulled"] : []),
  ...refused.map((camera) => `camera ${camera} was answered ERROR`),
  ...lost.map((camera) => `camera ${camera} was not answered`),
  ...missing.map((each) => `${each} was answered OK, and is not in the bucket`),
  ...[...found].filter(([, times]) => times > 1).map(([each]) => `${each} is there twice`),
];
const figure = `${ok.length} images answered OK, ${wereMissing} of them while the cable was pulled; all in the bucket, once`;
console.log(JSON.stringify({ figure, problems }));
await hub.stop();
// What was started goes with this process.
process.exit(0);
