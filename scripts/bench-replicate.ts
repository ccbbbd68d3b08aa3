/**
 * `npm run bench:replicate`: how fast a backlog gets into an S3 store, beside rclone with the same
 * files, what it costs the cameras, and how long they wait with `ack: replicated`.
 *
 *     npm run bench:replicate -- [--disk DIR] [--rounds 3] [--seconds 15] [--images 1500]
 *                                [--only copy|beside|awaited]
 *
 * It uses this machine's executable in `dist`, rclone, and a real store: Ceph's gateway, which
 * keeps everything in memory. The store is on this machine, where it would be on another one. So
 * for what cameras notice, it only gets the processor time that nobody else wants. The exit status
 * is 1 if a goal is not met.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Target } from "../src/s3/target.ts";
import { DataDirectory } from "../src/store/data-directory.ts";
import { Ceph, makeBucket } from "../test/support/peers/ceph.ts";
import { type Awaited, measureAwaited } from "./bench/awaited.ts";
import { cameras, type Goal, reportGoals, startBeside } from "./bench/beside.ts";
import { compile } from "./bench/compile.ts";
import { makeDay } from "./bench/day.ts";
import { decimals, whole } from "./bench/format.ts";
import type { LoadResult } from "./bench/load.ts";
import { makePayloads } from "./bench/payloads.ts";
import { machine } from "./bench/report.ts";
import { ratios } from "./bench/statistics.ts";
import { cpuSeconds, residentMb } from "./bench/usage.ts";
import { remove, workFolder } from "./bench/workspace.ts";
import { exitOnSignals } from "./lib/at-exit.ts";
import { freePort } from "./lib/free-port.ts";

const { values } = parseArgs({
  options: {
    disk: { type: "string", default: tmpdir() },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "15" },
    images: { type: "string", default: "1500" },
    only: { type: "string" },
  },
});
const [rounds, seconds, images] = [values.rounds, values.seconds, values.images].map(Number) as [
  number,
  number,
  number,
];

const DATE = "2021-09-23";
const IMAGE_BYTES = 100_000;
const PARALLEL = 8;

/** Images a second of each of the twelve cameras. */
const RATE = 10;

/** The hub copies by then. */
const STARTED_MS = 3000;

/** More images than are copied while it is measured, or before: nobody copies 1,000 a second. */
const BACKLOG = 1000 * (STARTED_MS / 1000 + seconds + 2);

/**
 * What is measured with cameras: no bucket, a backlog that is copied, or one that cannot be; or no
 * bucket beside rclone that copies the same, with the priority that the hub gives it.
 */
const VARIANTS = ["none", "backlog", "away", "rclone"] as const;

type Variant = (typeof VARIANTS)[number];

function settingsOf(target: Target): string {
  const { endpoint, bucket, accessKey, secretKey } = target;
  return (
    `  replicate: {endpoint: "${endpoint.origin}", bucket: ${bucket}, name: bench, ` +
    `access_key: "${accessKey}", secret_key: "${secretKey}", parallel: ${PARALLEL}}\n`
  );
}

function makeDirectory(path: string, count: number): string {
  mkdirSync(join(path, "logs"), { recursive: true });
  const body = randomBytes(IMAGE_BYTES);
  makeDay(new DataDirectory(path), { date: DATE, images: count, body, areApart: true });
  return path;
}

/** How many images of the backlog the hub has copied. */
function copiedOf(data: string): number {
  const journal = join(data, ".imagehub/replicated", DATE);
  return existsSync(journal) ? readFileSync(journal, "latin1").split("\n").length - 1 : 0;
}

/** @returns images a second, from the start of the hub until all are known to be in the bucket */
async function copyByHub(data: string, target: Target): Promise<number> {
  const startMs = performance.now();
  await using running = await startBeside(data, settingsOf(target), 0);
  while (copiedOf(data) < images) await Bun.sleep(50);
  const ms = performance.now() - startMs;
  await running.stop();
  remove(join(data, ".imagehub"));
  return (images * 1000) / ms;
}

/** How rclone is called to copy the same. */
function rcloneCopy(data: string, { endpoint, bucket, accessKey, secretKey }: Target) {
  const config = join(data, "rclone.conf");
  const keys = `access_key_id = ${accessKey}\nsecret_access_key = ${secretKey}\n`;
  const text = `[store]\ntype = s3\nprovider = Ceph\nendpoint = ${endpoint.origin}\n${keys}`;
  writeFileSync(config, text);
  // It refuses to start with a bundle of certificates, which it does not need here.
  const { AWS_CA_BUNDLE: _, ...env } = process.env;
  const options = ["--config", config, "--transfers", `${PARALLEL}`, "--checkers", `${PARALLEL}`];
  const places = [join(data, "images"), `store:${bucket}/rclone/images`];
  return { command: ["rclone", "copy", ...options, ...places], env };
}

/** @returns images a second */
function copyByRclone(data: string, target: Target): number {
  const { command, env } = rcloneCopy(data, target);
  const startMs = performance.now();
  const { success, stderr } = Bun.spawnSync(command, { env });
  if (!success) throw new Error(`rclone: ${stderr.toString()}`);
  return (images * 1000) / (performance.now() - startMs);
}

/** Lets the programs of the store run only if nobody else does. */
function makeIdle(store: Ceph): void {
  for (const pid of store.pids)
    Bun.spawnSync(["chrt", "--idle", "--all-tasks", "--pid", "0", `${pid}`]);
}

/** A program that runs beside, and gives way as the hub's thread does. */
class Beside implements Disposable {
  private readonly child: Bun.Subprocess;

  constructor({ command, env }: ReturnType<typeof rcloneCopy>) {
    this.child = Bun.spawn(["nice", "-n", "10", ...command], { env, stdio: [null, null, null] });
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null;
  }

  [Symbol.dispose](): void {
    this.child.kill("SIGKILL");
  }
}

interface Measured extends LoadResult {
  readonly cpu: number;
  readonly residentMb: number;
}

async function measure(variant: Variant, load: string, data: string): Promise<Measured> {
  await using store = await Ceph.start();
  makeIdle(store);
  const target = await makeBucket(store.address);
  const away = { ...target, endpoint: new URL(`http://127.0.0.1:${freePort()}`) };
  const hasBucket = variant === "backlog" || variant === "away";
  const settings = hasBucket ? settingsOf(variant === "away" ? away : target) : "";
  await using running = await startBeside(
    makeDirectory(data, variant === "none" ? 0 : BACKLOG),
    `  max_images_write: 1000000\n${settings}`,
    STARTED_MS,
  );
  using other = variant === "rclone" ? new Beside(rcloneCopy(data, target)) : undefined;
  const before = cpuSeconds(running.pid);
  const result = await cameras(load, running, (await makePayloads()).jpeg, seconds, RATE);
  const cpu = (cpuSeconds(running.pid) - before) / result.ok;
  const resident = residentMb(running.pid);
  if (other?.hasEnded === true || copiedOf(data) >= BACKLOG)
    throw new Error("All was copied too early");
  await running.stop();
  return { ...result, cpu, residentMb: resident };
}

exitOnSignals();
console.log(machine());
const folder = workFolder(values.disk);
const { load } = compile(join(folder, "programs"));
const speeds: Record<"hub" | "rclone", number[]> = { hub: [], rclone: [] };
const does = (part: string): boolean => (values.only ?? part) === part;
for (let round = 0; does("copy") && round < rounds; round++) {
  await using store = await Ceph.start();
  const target = await makeBucket(store.address);
  const data = makeDirectory(join(folder, `copy-${round}`), images);
  const byHub = async (): Promise<number> => speeds.hub.push(await copyByHub(data, target));
  // Who comes first has an empty store.
  if (round % 2 === 0) await byHub();
  speeds.rclone.push(copyByRclone(data, target));
  if (round % 2 === 1) await byHub();
  const [hub, rclone] = [speeds.hub.at(-1)!, speeds.rclone.at(-1)!];
  console.log(`${whole(hub)} images/s of ${IMAGE_BYTES} bytes, rclone ${whole(rclone)}`);
  remove(data);
}
const results: Record<Variant, Measured[]> = { none: [], backlog: [], away: [], rclone: [] };
for (let round = 0; does("beside") && round < rounds; round++) {
  for (const variant of VARIANTS) {
    const data = join(folder, `${variant}-${round}`);
    const result = await measure(variant, load, data);
    results[variant].push(result);
    console.log(
      `${variant}: p50 ${result.p50Us} µs, p99 ${result.p99Us} µs, ` +
        `${whole(result.cpu * 1e6)} µs of processor time an image, ${whole(result.residentMb)} MB`,
    );
    remove(data);
  }
}
const waits: Awaited[] = [];
for (let round = 0; does("awaited") && round < rounds; round++) {
  await using store = await Ceph.start();
  const data = join(folder, `awaited-${round}`);
  const putsFirst = round % 2 === 0;
  const now = await measureAwaited(data, load, store, settingsOf, { seconds, putsFirst });
  waits.push(now);
  const { answers, puts, cpu } = now;
  console.log(
    `ack: replicated: p50 ${answers.p50Us} µs, p99 ${answers.p99Us} µs, ${answers.other} ERROR, ` +
      `${whole(cpu * 1e6)} µs of processor time an image; a put itself: p50 ${puts.p50Us} µs, p99 ${puts.p99Us} µs`,
  );
  remove(data);
}

const goals: Goal[] = [];
/** @param isMet what the median of the rounds must be */
const addGoal = (
  what: string,
  goal: string,
  [ones, others]: readonly [readonly number[], readonly number[]],
  isMet: (ratio: number) => boolean,
): void => {
  const found = ratios(ones, others);
  if (found !== undefined) goals.push([what, goal, decimals(found.median), isMet(found.median)]);
};
addGoal(
  "Images a second, to rclone copy",
  "at least 1",
  [speeds.hub, speeds.rclone],
  (n) => n >= 1,
);
const p99sOf = (variant: Variant): number[] => results[variant].map(({ p99Us }) => p99Us);
for (const [variant, what] of [
  ["backlog", "p99 with a full backlog, to no bucket"],
  ["away", "p99 with the bucket away, to no bucket"],
] as const)
  addGoal(what, "at most 1.5", [p99sOf(variant), p99sOf("none")], (n) => n <= 1.5);
const beside = ratios(p99sOf("backlog"), p99sOf("rclone"));
if (beside !== undefined)
  console.log(
    `p99 with a full backlog, to no bucket beside rclone: ${decimals(beside.median)}. More than 1 ` +
      "is what the hub itself adds; the rest is the store on the same machine",
  );
addGoal(
  "p99 with ack: replicated, to the store's own put",
  "at most 2",
  [waits.map(({ answers }) => answers.p99Us), waits.map(({ puts }) => puts.p99Us)],
  (n) => n <= 2,
);
process.exit(reportGoals(goals));
