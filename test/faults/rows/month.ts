/**
 * A month passes on a disk of 1 GB, at full pace: an hour in a fraction of a second. The rules hold
 * all the time, and the event log tells of every deletion.
 *
 * With `SpaceWatch.look` returning false: "10 s of ERROR at a stretch", and more.
 */

import { readdirSync, statfsSync } from "node:fs";
import { daysAfter } from "../../../src/protocol/calendar.ts";
import { parseRecord } from "../../../src/catalog/record.ts";
import { SetClock } from "../../support/machine/set-clock.ts";
import { dataDirectory, namesOf } from "../../support/store/days.ts";
import { LoopDisk } from "../disk.ts";
import { FaultHub } from "../hub.ts";
import { filesBelow, logLines } from "../judge.ts";
import type { Row, Run } from "../row.ts";
import { type Entry, percentile, Senders } from "../senders.ts";

/** The first hour of the month. */
const START = "2031-03-01T00:30:00";

/** Longest time without an `OK` that a deletion may cause, in seconds. */
const ERROR_S_MAX = 5;

/** The part of the disk that must be free, in per cent. */
const FREE = 10;

interface Scale {
  readonly days: number;
  readonly diskBytes: number;
  /** How long an hour takes, in milliseconds. */
  readonly hourMs: number;
}

const LONG: Scale = { days: 30, diskBytes: 2 ** 30, hourMs: 400 };
const SHORT: Scale = { days: 3, diskBytes: 96 * 2 ** 20, hourMs: 150 };

/** The longest time from one `OK` for an image to the next, in seconds, if there was an ERROR. */
function longestError(journal: readonly Entry[]): number {
  const images = journal.filter(({ kind }) => kind === "image").toSorted((a, b) => a.at - b.at);
  let longest = 0;
  let lastOk = images[0]?.at ?? 0;
  let hasFailed = false;
  for (const { reply, at } of images) {
    if (reply !== "OK") hasFailed = true;
    else {
      if (hasFailed) longest = Math.max(longest, at - lastOk);
      lastOk = at;
      hasFailed = false;
    }
  }
  return longest;
}

/** What was stored and is gone, against what the event log tells; by day. */
function unexplained(data: string, journal: readonly Entry[]): string[] {
  const stored = journal.filter(({ kind, reply }) => kind === "image" && reply === "OK").length;
  const left = filesBelow(`${data}/images`).length;
  const told = logLines(data)
    .map((line) => parseRecord(line.slice(line.indexOf("~") + 2)))
    .reduce((sum, record) => sum + (record?.count ?? 0), 0);
  return stored - left === told
    ? []
    : [`${stored - left} images are gone, and the event log tells of ${told}`];
}

async function pass(run: Run, { days, diskBytes, hourMs }: Scale) {
  using disk = new LoopDisk({ bytes: diskBytes });
  using clock = new SetClock(0);
  clock.setTo(START);
  const directory = dataDirectory(`${disk.path}/data`);
  await using hub = new FaultHub({
    program: run.program,
    data: directory.path,
    settings: { keep: { min_free: `${FREE} %`, days: Math.ceil(days / 2) } },
    env: { ...clock.env, CLOCK_PASSES: "1", TZ: "UTC" },
  });
  await hub.start();
  await using senders = new Senders(hub.address, {
    images: 8,
    events: 1,
    size: 20_000,
    pauseMs: 8,
  });
  await senders.firstOk(0, "image");
  const startS = (Date.parse(`${START}Z`) - Date.now()) / 1000;
  let leastFree = 100;
  let daysMax = 0;
  for (let hour = 1; hour < days * 24; hour++) {
    await Bun.sleep(hourMs);
    clock.set(startS + hour * 3600);
    const { bavail, blocks } = statfsSync(disk.path);
    leastFree = Math.min(leastFree, (bavail / blocks) * 100);
    if (hour % 24 !== 0) continue;
    daysMax = Math.max(daysMax, readdirSync(directory.images).length);
    run.say(`day ${hour / 24}: ${readdirSync(directory.images).length} days held`);
  }
  const journal = await senders.stop();
  const problems = (await hub.stop()) === 0 ? [] : ["the hub did not end with 0"];
  const today = daysAfter(START.slice(0, 10), days - 1);
  const errorS = longestError(journal);
  if (errorS > ERROR_S_MAX) problems.push(`${errorS.toFixed(1)} s of ERROR at a stretch`);
  if (namesOf(directory, today).length === 0) problems.push("today's images are gone");
  const dates = readdirSync(directory.images).toSorted();
  const first = dates[0]!;
  const between = dates.filter((date, index) => date !== daysAfter(first, index));
  if (between.length > 0)
    problems.push(`a younger day went before an older one: ${between.join()}`);
  if (!hub.output.includes("Pruned ")) problems.push("nothing had to be deleted");
  problems.push(...unexplained(directory.path, journal));
  const images = journal.filter(({ kind }) => kind === "image");
  const refused = images.filter(({ reply }) => reply !== "OK").length;
  return {
    figure:
      `${days} days, ${images.length} images, ${refused} answered ERROR, at most ${errorS.toFixed(1)} s ` +
      `at a stretch; p99 ${percentile(images)} ms; ${dates.length} days held, at most ${daysMax}; ` +
      `never less than ${leastFree.toFixed(1)} % free`,
    problems,
  };
}

export const month: Row = {
  name: "month",
  cause: "a month at full pace on a disk of 1 GB, with rules for what is kept",
  mustHold: `ERROR for at most ${ERROR_S_MAX} s at a stretch; the oldest goes first; every deletion is told`,
  needs: ["loop", "compiler"],
  run: async (run) => await pass(run, run.short ? SHORT : LONG),
};
