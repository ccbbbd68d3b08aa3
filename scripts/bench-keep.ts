/**
 * `npm run bench:keep`: what keeping order costs: the first scan of a day, a decision over a
 * thousand days, and deleting beside cameras.
 *
 *     npm run bench:keep -- [--disk DIR] [--images 200000] [--rounds 3] [--seconds 15]
 *
 * It uses this machine's executable in `dist`, and a folder on the disk of DIR (default the
 * system's folder for temporary files). The exit status is 1 if a goal is not met.
 *
 * @module
 */

import { existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { Summaries } from "../src/catalog/summary.ts";
import { defaultSettings } from "../src/config/schema.ts";
import { daysAfter } from "../src/protocol/calendar.ts";
import { countHoldings } from "../src/keep/holdings.ts";
import { plan } from "../src/keep/plan.ts";
import { Rules } from "../src/keep/rules.ts";
import { imageFileName } from "../src/protocol/names.ts";
import { DataDirectory } from "../src/store/data-directory.ts";
import { cameras, reportGoals, startBeside } from "./bench/beside.ts";
import { dateFolder } from "./bench/candidates.ts";
import { compile } from "./bench/compile.ts";
import { CAMERAS, makeDay } from "./bench/day.ts";
import { decimals, milliseconds } from "./bench/format.ts";
import type { LoadResult } from "./bench/load.ts";
import { makePayloads } from "./bench/payloads.ts";
import { machine } from "./bench/report.ts";
import { ratios, spread } from "./bench/statistics.ts";
import { residentMb } from "./bench/usage.ts";
import { workFolder } from "./bench/workspace.ts";
import { exitOnSignals } from "./lib/at-exit.ts";

const { values } = parseArgs({
  options: {
    disk: { type: "string", default: tmpdir() },
    images: { type: "string", default: "200000" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "15" },
  },
});
const [images, rounds, seconds] = [values.images, values.rounds, values.seconds].map(Number) as [
  number,
  number,
  number,
];

const DATE = "2021-09-23";
/** Microseconds an image for the first scan of a day. */
function scan(directory: DataDirectory): number {
  using summaries = new Summaries(directory, false);
  const startMs = performance.now();
  const { images: found } = summaries.of(DATE, true);
  return ((performance.now() - startMs) * 1000) / found;
}

/** A little longer than a change of a folder counts as just now: see `os/stamp.ts`. */
const SETTLED_MS = 3500;

/** Milliseconds for a decision over 1,000 days with 8,000,000 images that were scanned before. */
function decide(folder: string): number {
  const directory = new DataDirectory(folder);
  const dates = Array.from({ length: 1000 }, (_, day) => daysAfter("2019-01-01", day));
  for (const date of dates) {
    mkdirSync(directory.dateFolder(date), { recursive: true });
    for (let camera = 0; camera < CAMERAS; camera++) {
      const time = { date, hour: "10", minute: "00", second: "00" };
      const name = imageFileName(`Node${camera}-View`, time, 0, ".jpg");
      writeFileSync(join(directory.dateFolder(date), name), "x");
    }
  }
  // Of folders that have changed just now, no summary is kept.
  Bun.sleepSync(SETTLED_MS);
  const options = { today: "2026-01-01", anew: false, keeps: true };
  countHoldings(directory, options);
  const startMs = performance.now();
  const held = countHoldings(directory, options);
  plan(new Rules({ ...defaultSettings().keep, max_bytes: 6000 }), {
    days: held.days.map(({ free }) => free),
    totalBytes: held.bytes,
    reference: "2026-01-01",
    young: new Set(),
    spared: new Set(),
    uncopied: new Set(),
    missingBytes: 0,
    isUrgentOnly: false,
  });
  return performance.now() - startMs;
}

/** The first round begins a moment after the start. */
const FIRST_ROUND_MS = 3000;

/**
 * Adds an image of yesterday that takes nothing: more than half of all would wait for a person, and
 * by yesterday a hub that has just begun knows that its clock is right.
 */
function holdMore(directory: DataDirectory, bytes: number): void {
  const date = daysAfter(basename(dateFolder(directory.path)), -1);
  mkdirSync(directory.dateFolder(date), { recursive: true });
  const time = { date, hour: "00", minute: "00", second: "00" };
  const path = join(directory.dateFolder(date), imageFileName("Large", time, 0, ".jpg"));
  writeFileSync(path, "");
  truncateSync(path, bytes);
}

/** Twelve cameras send ten images a second each. @returns also how many images were deleted */
async function measure(
  load: string,
  data: string,
  keep: string,
): Promise<LoadResult & { readonly deleted: number; readonly residentMb: number }> {
  const directory = new DataDirectory(data);
  const folder = directory.dateFolder(DATE);
  // An empty one is deleted, too.
  const count = (): number => (existsSync(folder) ? readdirSync(folder).length : 0);
  const before = count();
  await using running = await startBeside(data, keep, FIRST_ROUND_MS);
  const result = await cameras(load, running, (await makePayloads()).jpeg, seconds);
  const resident = residentMb(running.pid);
  await running.stop();
  return { ...result, deleted: before - count(), residentMb: resident };
}

exitOnSignals();
console.log(machine());
const folder = workFolder(values.disk);
const scanned = new DataDirectory(join(folder, "scan"));
const day = { date: DATE, images, body: new Uint8Array(45_000) };
makeDay(scanned, { ...day, areApart: false });
const scans = Array.from({ length: rounds }, () => scan(scanned));
console.log(`First scan: ${scans.map(decimals).join(", ")} µs an image`);
const decisions = Array.from({ length: rounds }, (_, round) =>
  decide(join(folder, `decide-${round}`)),
);
console.log(`Decision: ${decisions.map(milliseconds).join(", ")}`);

const { load } = compile(join(folder, "programs"));
const data = join(folder, "data");
makeDay(new DataDirectory(data), { ...day, areApart: true });
holdMore(new DataDirectory(data), 2 * images * 45_000);
const [quiet, busy]: [LoadResult[], LoadResult[]] = [[], []];
let memoryMb = 0;
for (let round = 0; round < rounds; round++) {
  for (const [keep, results] of [
    ["", quiet],
    ["  keep: {days: 30}\n", busy],
  ] as const) {
    const result = await measure(load, data, keep);
    results.push(result);
    memoryMb = Math.max(memoryMb, result.residentMb);
    console.log(
      `${keep === "" ? "quiet" : "deleting"}: p50 ${result.p50Us} µs, p99 ${result.p99Us} µs, ` +
        `${Math.round(result.deleted / (seconds + 4))} deleted/s, ${result.residentMb.toFixed(0)} MB`,
    );
  }
}
const p99 = ratios(
  busy.map(({ p99Us }) => p99Us),
  quiet.map(({ p99Us }) => p99Us),
)!.median;
const [us, ms] = [spread(scans)!.median, spread(decisions)!.median];
process.exit(
  reportGoals([
    ["First scan, an image", "at most 5 µs", `${decimals(us)} µs`, us <= 5],
    ["Decision, 1,000 days", "at most 100 ms", milliseconds(ms), ms <= 100],
    ["p99 while deleting, to quiet", "at most 1.5", decimals(p99), p99 <= 1.5],
  ]),
);
