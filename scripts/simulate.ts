/**
 * `npm run simulate`: 1,000 cameras, three hubs behind HAProxy and a real S3 store, each on a
 * machine of its own (a network namespace). The second hub is killed for good, with its disk, and
 * then `imagehub view` must show every image that was answered OK.
 *
 *     npm run simulate -- [--cameras 1000] [--rate 0.1] [--bytes 20000] [--hubs 3] [--seconds 60]
 *                         [--ack replicated] [--disk DIR]
 *
 * It uses this machine's executable in `dist`, and needs root. The store is Ceph's gateway, which
 * keeps everything in memory. The exit status is 1 if an image is missing, or a camera lost more
 * than one request.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Ceph, makeBucket } from "../test/support/peers/ceph.ts";
import { Balancer } from "../test/support/peers/balancer.ts";
import { Crowd } from "../test/support/peers/crowd.ts";
import { decimals, milliseconds, table, whole } from "./bench/format.ts";
import { machine } from "./bench/report.ts";
import { cpuSeconds, residentMb } from "./bench/usage.ts";
import { remove, workFolder } from "./bench/workspace.ts";
import { atExit, exitOnSignals } from "./lib/at-exit.ts";
import { executable } from "./lib/available.ts";
import { inOwnNetwork, type Machine, Machines } from "./lib/machines.ts";
import { imagesSeen } from "./lib/seen.ts";

const { values } = parseArgs({
  options: {
    cameras: { type: "string", default: "1000" },
    rate: { type: "string", default: "0.1" },
    bytes: { type: "string", default: "20000" },
    hubs: { type: "string", default: "3" },
    seconds: { type: "string", default: "60" },
    ack: { type: "string", default: "replicated" },
    disk: { type: "string", default: tmpdir() },
  },
});
const [cameras, rate, bytes, hubCount, seconds] = [
  values.cameras,
  values.rate,
  values.bytes,
  values.hubs,
  values.seconds,
].map(Number) as [number, number, number, number, number];

const PORT = 5555;
const HTTP_PORT = 8550;

/** How long a camera waits for an answer: longer than a hub waits for the store, in seconds. */
const TIMEOUT_S = 30;

/** Only ends what would hang. */
const STEP_MS_MAX = 180_000;

const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "x64";

interface Hub {
  readonly name: string;
  readonly machine: Machine;
  readonly folder: string;
  readonly process: Bun.Subprocess;
}

function say(text: string): void {
  console.log(`${new Date().toTimeString().slice(0, 8)}  ${text}`);
}

/** Starts the executable with these settings. */
function start(
  folder: string,
  on: readonly string[],
  command: string,
  hub: object,
): Bun.Subprocess {
  mkdirSync(folder, { recursive: true });
  // YAML can be JSON.
  writeFileSync(join(folder, "imagehub.yaml"), JSON.stringify({ hub }), { mode: 0o600 });
  const output = Bun.file(join(folder, "output"));
  const child = Bun.spawn([...on, executable(ARCHITECTURE), command, "--path", folder], {
    stdio: ["ignore", output, output],
  });
  atExit(() => child.kill("SIGKILL"));
  return child;
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + STEP_MS_MAX;
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > endMs) throw new Error(`Not within three minutes: ${what}`);
    await Bun.sleep(200);
  }
}

await inOwnNetwork();
exitOnSignals();
console.log(machine());
const folder = workFolder(values.disk);
const network = new Machines();
await using store = await Ceph.start(network.address);
const target = await makeBucket(store.address);
const token = randomBytes(16).toString("hex");
const tokenFile = join(folder, "token");
writeFileSync(tokenFile, token, { mode: 0o600 });
const bucket = {
  endpoint: target.endpoint.origin,
  bucket: target.bucket,
  access_key: target.accessKey,
  secret_key: target.secretKey,
};

const hubs = Array.from({ length: hubCount }, (_, index): Hub => {
  const name = `hub${index + 1}`;
  const place = network.add(name);
  const path = join(folder, name);
  const process = start(path, place.on, "run", {
    max_images_write: 100_000_000,
    max_connections: cameras * 2,
    ack: values.ack,
    replicate: { ...bucket, name },
    http: { listen: `${place.address}:${HTTP_PORT}`, token_file: tokenFile },
  });
  return { name, machine: place, folder: path, process };
});
const balancerPlace = network.add("balancer");
await using balancer = new Balancer({
  listen: `${balancerPlace.address}:${PORT}`,
  hubs: hubs.map(({ machine: { address } }) => ({
    host: address,
    port: PORT,
    httpPort: HTTP_PORT,
  })),
  token,
  on: balancerPlace.on,
});
for (const { name, machine: place } of hubs)
  await until(`${name} listens`, async () => {
    const headers = { Authorization: `Bearer ${token}` };
    return (await fetch(`http://${place.address}:${HTTP_PORT}/healthz`, { headers })).ok;
  });
const crowd = new Crowd({
  on: network.add("cameras").on,
  endpoint: `tcp://${balancerPlace.address}:${PORT}`,
  cameras,
  rate,
  bytes,
  timeoutS: TIMEOUT_S,
});
say(`${hubCount} hubs, ${cameras} cameras of ${rate} images a second, ack: ${values.ack}`);
await until("every camera was answered", async () => (await crowd.answered()) === cameras);

/** Processor time until now, in seconds. */
const sumOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
const users: readonly [what: string, pids: readonly number[]][] = [
  ["hubs", hubs.map(({ process: { pid } }) => pid)],
  ["store", store.pids],
  ["HAProxy", [balancer.pid]],
  ["cameras", crowd.pids],
];
const before = users.map(([, pids]) => sumOf(pids));
const beginS = Date.now() / 1000;
await Bun.sleep(seconds * 1000);
const endS = Date.now() / 1000;
const used = users.map(([, pids], index) => sumOf(pids) - before[index]!);
const memory = hubs.map(({ process: { pid } }) => residentMb(pid));

const [, dead] = hubs;
if (dead !== undefined) {
  say(`${dead.name} dies, with its disk`);
  dead.process.kill("SIGKILL");
  await dead.process.exited;
  dead.machine.unplug();
  remove(dead.folder);
  await Bun.sleep(seconds * 1000);
}
const answers = await crowd.end();
say(`${whole(answers.ok.length)} images answered OK`);

const viewPort = HTTP_PORT + 1;
start(join(folder, "view"), [], "view", {
  replicate: bucket,
  http: { listen: `127.0.0.1:${viewPort}` },
});
const page = `http://127.0.0.1:${viewPort}`;
await until("the view answers", async () => (await fetch(`${page}/api/v1/days`)).ok);
const isMissing = async (): Promise<string[]> => {
  const seen = await imagesSeen(page);
  const missing = answers.ok.map(({ identity }) => identity).filter((each) => !seen.has(each));
  say(`The view shows ${whole(seen.size)} images; ${missing.length} are missing`);
  return missing;
};
let missing = await isMissing();
// With other levels of `ack`, the bucket may be behind.
for (let tries = 0; missing.length > 0 && tries < 3; tries++) {
  await Bun.sleep(10_000);
  missing = await isMissing();
}

const measured = answers.ok.filter(({ atS }) => atS >= beginS && atS < endS);
const waits = measured.map(({ waitedS }) => waitedS * 1000).toSorted((a, b) => a - b);
const waited = (share: number): string =>
  milliseconds(waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? Number.NaN);
const lostBy = Map.groupBy(answers.lost, (camera) => camera);
const lostMost = Math.max(0, ...Array.from(lostBy.values(), ({ length }) => length));
console.log(
  table([
    ["what", "measured"],
    ["images a second", decimals(measured.length / (endS - beginS))],
    ["wait for the answer: p50, p99", `${waited(0.5)}, ${waited(0.99)}`],
    ...users.map(([what], index) => [
      `processor time an image: ${what}`,
      `${whole((used[index]! / measured.length) * 1e6)} µs`,
    ]),
    ["resident memory of each hub", memory.map((mb) => `${whole(mb)} MB`).join(", ")],
    ["answered ERROR", whole(answers.refused.length)],
    ["requests without an answer", `${answers.lost.length}, at most ${lostMost} of a camera`],
    ["answered OK and missing in the view", whole(missing.length)],
  ]).join("\n"),
);
process.exit(missing.length === 0 && lostMost <= 1 ? 0 : 1);
