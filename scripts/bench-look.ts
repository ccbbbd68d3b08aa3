/**
 * `npm run bench:look`: what it costs to look at a day with 200,000 images, and what looking costs
 * the cameras.
 *
 *     npm run bench:look -- [--disk DIR] [--images 200000] [--rounds 3] [--seconds 15] [--idle 310]
 *
 * It uses this machine's executable in `dist`, Chromium, and a folder on the disk of DIR (default
 * the system's folder for temporary files). The exit status is 1 if a goal is not met.
 *
 * @module
 */

import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DataDirectory } from "../src/store/data-directory.ts";
import {
  type Asked,
  firstPictureMs,
  openBrowser,
  openPage,
  replay,
  scrollThrough,
} from "./bench/browser.ts";
import { cameras, type Goal, reportGoals, startBeside } from "./bench/beside.ts";
import type { Running } from "./bench/candidates.ts";
import { compile } from "./bench/compile.ts";
import { makeDay } from "./bench/day.ts";
import { decimals, milliseconds, whole } from "./bench/format.ts";
import type { LoadResult } from "./bench/load.ts";
import { makePayloads } from "./bench/payloads.ts";
import { machine } from "./bench/report.ts";
import { ratios, spread } from "./bench/statistics.ts";
import { cpuSeconds, residentMb } from "./bench/usage.ts";
import { workFolder } from "./bench/workspace.ts";
import { exitOnSignals } from "./lib/at-exit.ts";

const { values } = parseArgs({
  options: {
    disk: { type: "string", default: tmpdir() },
    images: { type: "string", default: "200000" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "15" },
    idle: { type: "string", default: "310" },
  },
});
const [images, rounds, seconds, idle] = [
  values.images,
  values.rounds,
  values.seconds,
  values.idle,
].map(Number) as [number, number, number, number];

const DATE = "2021-09-23";

/** The first round of keeping order is over by then. */
const SETTLED_MS = 7000;

/** Browsers that look at once, and pictures for the rate of thumbnails. */
const BROWSERS = 4;
const THUMBNAILS = 600;

/** The times of the day to look at: never the same, so that no thumbnail is there before. */
let looks = 0;
function nextTime(): string {
  const minute = (++looks * 97) % 1440;
  return [minute / 60, minute % 60]
    .map((part) => String(Math.floor(part)).padStart(2, "0"))
    .join(":");
}

const day = (running: Running): string => `${running.page}/#/day/${DATE}?at=${nextTime()}`;

/** Thumbnails a second, and for each second of processor time. */
async function thumbnails({ page, pid }: Running) {
  const where = `offset=${Math.floor(images / 4)}&limit=${THUMBNAILS}`;
  const answer = await fetch(`${page}/api/v1/days/${DATE}/images?${where}`);
  const { images: listed } = (await answer.json()) as { images: { name: string }[] };
  const queue = listed.map(
    ({ name }) => `${page}/api/v1/days/${DATE}/thumbnails/${name}?width=320`,
  );
  const [startMs, startCpu] = [performance.now(), cpuSeconds(pid)];
  const one = async (): Promise<void> => {
    for (let url = queue.pop(); url !== undefined; url = queue.pop()) {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url}: ${response.status}`);
      await response.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: 6 }, one));
  const wall = listed.length / ((performance.now() - startMs) / 1000);
  return { wall, core: listed.length / (cpuSeconds(pid) - startCpu) };
}

exitOnSignals();
console.log(machine());
const folder = workFolder(values.disk);
const data = join(folder, "data");
const payload = (await makePayloads()).jpeg;
const { load } = compile(join(folder, "programs"));
makeDay(new DataDirectory(data), { date: DATE, images, body: payload.body, areApart: false });

const [cold, warm, tasks, rates, cores, grown]: number[][] = Array.from({ length: 6 }, () => []);
const [quiet, busy]: [LoadResult[], LoadResult[]] = [[], []];
const browsing: (readonly Asked[])[] = [];
let left: number | undefined;
for (let round = 0; round < rounds; round++) {
  {
    await using running = await startBeside(data, "", SETTLED_MS);
    const browser = await openBrowser(folder);
    try {
      const page = await openPage(browser);
      cold!.push(await firstPictureMs(page, day(running)));
      for (let look = 0; look < 3; look++) warm!.push(await firstPictureMs(page, day(running)));
      // Each takes a little longer, and asks for other images.
      const scrolled = await scrollThrough(page, seconds + browsing.length / 10);
      tasks!.push(scrolled.longestTaskMs);
      for (browsing.push(scrolled.asked); browsing.length < BROWSERS;)
        browsing.push((await scrollThrough(page, seconds + browsing.length / 10)).asked);
    } finally {
      await browser.close();
    }
    const { wall, core } = await thumbnails(running);
    rates!.push(wall);
    cores!.push(core);
    await running.stop();
  }
  await using running = await startBeside(data, "", SETTLED_MS);
  quiet.push(await cameras(load, running, payload, seconds));
  // What cameras alone cost is not counted.
  const before = residentMb(running.pid);
  let highest = 0;
  const watching = setInterval(() => {
    highest = Math.max(highest, residentMb(running.pid));
  }, 200);
  const looking = browsing.slice(-BROWSERS).map(async (asked) => replay(asked, running.page));
  busy.push(await cameras(load, running, payload, seconds));
  await Promise.all(looking);
  clearInterval(watching);
  grown!.push(highest - before);
  console.log(
    `first picture ${milliseconds(cold!.at(-1)!)}, then ${warm!.slice(-3).map(milliseconds).join(", ")}; ` +
      `longest task ${milliseconds(tasks!.at(-1)!)}; ${whole(rates!.at(-1)!)} thumbnails/s; ` +
      `p99 ${quiet.at(-1)!.p99Us} and ${busy.at(-1)!.p99Us} µs; +${whole(grown!.at(-1)!)} MB`,
  );
  if (round + 1 === rounds && idle > 0) {
    await Bun.sleep(idle * 1000);
    left = residentMb(running.pid) - before;
  }
  await running.stop();
}

const middle = (of: readonly number[]): number => spread(of)!.median;
const p99 = ratios(
  busy.map(({ p99Us }) => p99Us),
  quiet.map(({ p99Us }) => p99Us),
)!.median;
const goals: Goal[] = [
  ["First picture, cold", "at most 1000 ms", milliseconds(middle(cold!)), middle(cold!) <= 1000],
  ["First picture, warm", "at most 200 ms", milliseconds(middle(warm!)), middle(warm!) <= 200],
  [
    "Longest task while scrolling",
    "at most 50 ms",
    milliseconds(middle(tasks!)),
    middle(tasks!) <= 50,
  ],
  ["Thumbnails a second of one core", "at least 150", whole(middle(cores!)), middle(cores!) >= 150],
  ["p99 while 4 browsers scroll, to quiet", "at most 2", decimals(p99), p99 <= 2],
  ["Memory while looking", "at most +40 MB", `+${whole(middle(grown!))} MB`, middle(grown!) <= 40],
];
if (left !== undefined)
  goals.push(["Memory five minutes later", "at most +5 MB", `+${whole(left)} MB`, left <= 5]);
process.exit(reportGoals(goals));
