/**
 * `npm run bench:view`: how soon the page of many hubs shows its newest day, and what that costs in
 * calls to the store.
 *
 *     npm run bench:view -- [--images 100000] [--days 30] [--today 20000] [--delay 40]
 *
 * It uses this machine's executable in `dist` and a real store, Ceph's gateway, which it fills
 * first: three hubs, whose days are finished as a hub finishes them, but for the newest. It is
 * measured twice: as it is, and with answers of the store that come `--delay` milliseconds later,
 * as over the internet. The exit status is 1 if a goal is not met.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatManifest } from "../src/archive/manifest.ts";
import type { Days, ImageList } from "../src/page/answers.ts";
import { daysAfter } from "../src/protocol/calendar.ts";
import { Keys, manifestPath } from "../src/replicate/layout.ts";
import { Link } from "../src/replicate/link.ts";
import { putSummary } from "../src/replicate/summary.ts";
import { Bucket, sha256Of } from "../src/s3/bucket.ts";
import type { Target } from "../src/s3/target.ts";
import { View } from "../test/support/hub/view.ts";
import { Ceph, makeBucket } from "../test/support/peers/ceph.ts";
import { type Goal, reportGoals } from "./bench/beside.ts";
import { decimals, whole } from "./bench/format.ts";
import { CHECKOUT } from "./lib/available.ts";
import { exitOnSignals } from "./lib/at-exit.ts";

const { values } = parseArgs({
  options: {
    images: { type: "string", default: "100000" },
    days: { type: "string", default: "30" },
    today: { type: "string", default: "20000" },
    delay: { type: "string", default: "40" },
  },
});
const [images, days, ofToday, farMs] = [values.images, values.days, values.today, values.delay].map(
  Number,
) as [number, number, number, number];

const HUBS = ["east", "north", "south"] as const;
const CAMERAS = 10;

/** Pictures that a browser asks for at once, of those that it shows first. */
const SHOWN = 24;
const CONNECTIONS = 6;

/** Goals: milliseconds, and calls to the store besides those for days, images and pictures. */
const FIRST_PAGE_MS = 2000;
const CALLS_BESIDE = 150;

const PUTS = 48;

const PICTURE = await new Bun.Image(
  readFileSync(join(CHECKOUT, "test/fixtures/Barn-2021-04-19T23.43.20.867255.jpg")),
)
  .resize(64, 48)
  .jpeg({ quality: 50 })
  .bytes();

/** An object without a call for its checksum each time. */
const IMAGE = {
  body: new Uint8Array(PICTURE),
  contentType: "image/jpeg",
  sha256: sha256Of(PICTURE),
};

/** The names of a day's images, evenly over its hours so far. */
function namesOf(date: string, count: number, untilMs: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const time = new Date((untilMs * index) / count).toISOString().slice(11, 23);
    const clock = `${time.replaceAll(":", ".")}${String(index % 1000).padStart(3, "0")}`;
    return `Camera-${index % CAMERAS}-${date}T${clock}.jpg`;
  });
}

async function inParallel<T>(all: Iterable<T>, work: (each: T) => Promise<unknown>): Promise<void> {
  const rest = all[Symbol.iterator]();
  const others = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: PUTS }, others));
}

/** Puts a day of a hub as a hub does. */
async function putDay(target: Target, hub: string, date: string, count: number, isOver: boolean) {
  const [bucket, keys] = [new Bucket(target), new Keys(hub)];
  const dayMs = 86_400_000;
  const names = namesOf(date, count, isOver ? dayMs : Math.max(60_000, Date.now() % dayMs));
  await inParallel(names, async (name) => bucket.put(keys.imagesOf(date) + name, IMAGE));
  const lines = names.slice(0, 50).map((_, index) => {
    return `${date} 00:00:${String(index).padStart(2, "0")},000 ~ Node|count|${index}\n`;
  });
  const text = { body: new TextEncoder().encode(lines.join("")), contentType: "text/plain" };
  if (!isOver) {
    await bucket.put(keys.segment(date, 0), text);
    return;
  }
  const log = `logs/imagehub.log.${date}`;
  await bucket.put(keys.of(log), text);
  const paths = [...names.map((name) => `images/${date}/${name}`), log];
  const manifest = formatManifest(new Map(paths.map((path) => [path, IMAGE.sha256])));
  const body = new TextEncoder().encode(manifest);
  await bucket.put(keys.of(manifestPath(date, 1)), { body, contentType: "text/plain" });
  const link = new Link({ connected() {}, disconnected() {}, failed() {} });
  await putSummary({ bucket, link, keys }, date, 1, new Set(paths));
}

async function fill(target: Target, today: string): Promise<number> {
  const each = Math.floor((images - ofToday) / (days * HUBS.length - 1));
  let count = 0;
  for (const hub of HUBS) {
    const facts = { body: new TextEncoder().encode('{"time_zone":"UTC"}'), contentType: "a/b" };
    await new Bucket(target).put(new Keys(hub).owner(1), facts);
    for (let age = days - 1; age >= 0; age--) {
      const some = age === 0 && hub === "north" ? ofToday : each;
      await putDay(target, hub, daysAfter(today, -age), some, age > 0);
      count += some;
    }
  }
  return count;
}

/** The store as over a long line. */
function farAway(target: Target, delayMs: number): { target: Target; close: () => void } {
  const server = createServer((near) => {
    const far = connect(Number(target.endpoint.port), "127.0.0.1");
    near.pipe(far);
    far.on("data", (bytes) => setTimeout(() => near.write(bytes), delayMs));
    for (const socket of [near, far])
      socket.on("error", () => undefined).on("close", () => (near.destroy(), far.destroy()));
  });
  server.listen(0, "127.0.0.1");
  const { port } = server.address() as AddressInfo;
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  return { target: { ...target, endpoint }, close: () => server.close() };
}

/** What a browser asks for: all at once, and the pictures over its six connections. */
async function openPage(view: View, today: string): Promise<readonly [string, number][]> {
  const beganMs = performance.now();
  const took: [string, number][] = [];
  const timed = async <T>(what: string, work: Promise<T>): Promise<T> => {
    const result = await work;
    took.push([what, performance.now() - beganMs]);
    return result;
  };
  const [, list] = await Promise.all([
    timed("the list of days", view.json<Days>("days")),
    timed("the newest images", view.json<ImageList>(`days/${today}/images?at=23:59&limit=200`)),
    timed("the newest day by minutes", view.json(`days/${today}`)),
    timed("its events", view.json(`days/${today}/events?hub=no&limit=1000`)),
  ]);
  const shown = list.images.slice(-SHOWN).values();
  const others = async (): Promise<void> => {
    for (const { name } of shown) {
      const path = `days/${today}/thumbnails/${encodeURIComponent(name)}?width=320`;
      const response = await fetch(`${view.url}/api/v1/${path}`);
      if (!response.ok) throw new Error(await response.text());
      await response.bytes();
    }
  };
  await timed("its first pictures", Promise.all(Array.from({ length: CONNECTIONS }, others)));
  return took;
}

function sum(of: Record<string, number>): number {
  return Object.values(of).reduce((all, each) => all + each, 0);
}

async function callsOf(view: View): Promise<Record<string, number>> {
  const text = await (await fetch(`${view.url}/metrics`)).text();
  const calls = text.matchAll(/^imagehub_view_store_calls_total\{kind="(\w+)"\} (\d+)$/gmu);
  return Object.fromEntries(Array.from(calls, ([, kind = "", count]) => [kind, Number(count)]));
}

/** Opens the page of a view that has just begun. */
async function measure(near: Target, today: string, delayMs: number): Promise<Goal[]> {
  const { target, close } = farAway(near, delayMs);
  const program = process.arch === "arm64" ? "arm64" : "x64";
  await using view = await View.start(target, { program });
  const first = await openPage(view, today);
  const calls = await callsOf(view);
  const again = await openPage(view, today);
  const after = await callsOf(view);
  console.log(`\nThe store answers ${delayMs} ms later:`);
  for (const [index, [what, ms]] of first.entries())
    console.log(`${what}: ${whole(ms)} ms, again ${whole(again[index]![1])} ms`);
  console.log(`calls: ${JSON.stringify(calls)}, again ${sum(after) - sum(calls)}`);
  const firstMs = Math.max(...first.map(([, ms]) => ms));
  // A summary of each day and hub, a page for 1000 images of the open day, a picture each.
  const bound = days * HUBS.length + Math.ceil(ofToday / 1000) * 2 + SHOWN + CALLS_BESIDE;
  await view.stop();
  close();
  return [
    [
      `first page: days, newest day, its first pictures; ${delayMs} ms to the store`,
      `≤ ${decimals(FIRST_PAGE_MS / 1000)} s`,
      `${decimals(firstMs / 1000)} s`,
      firstMs <= FIRST_PAGE_MS,
    ],
    ["calls to the store for it", `≤ ${whole(bound)}`, whole(sum(calls)), sum(calls) <= bound],
  ];
}

/** @returns the exit status */
async function main(): Promise<number> {
  exitOnSignals();
  await using store = await Ceph.start();
  const near = await makeBucket(store.address);
  const today = new Date().toISOString().slice(0, 10);
  const beganMs = performance.now();
  const count = await fill(near, today);
  console.log(
    `${whole(count)} images of ${HUBS.length} hubs and ${days} days, ` +
      `put in ${whole((performance.now() - beganMs) / 1000)} s; ${whole(ofToday)} of today`,
  );
  const goals: Goal[] = [];
  for (const delayMs of [0, farMs]) goals.push(...(await measure(near, today, delayMs)));
  return reportGoals(goals);
}

process.exit(await main());
