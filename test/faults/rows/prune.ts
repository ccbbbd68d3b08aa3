/**
 * Deleting old images is ended at each of its calls, and by a power cut; and a hub that deletes
 * under load is killed.
 *
 * Without `note.write` in `keep/round.ts`: "unlinkat 2: images are gone, and no line tells why".
 * With `young` left out in `plan.ts`: "a day that must be kept has 0 of 3 images".
 */

import { linkSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { daysAfter } from "../../../src/protocol/calendar.ts";
import { parseRecord } from "../../../src/catalog/record.ts";
import type { DataDirectory } from "../../../src/store/data-directory.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { addImage, dataDirectory, namesOf } from "../../support/store/days.ts";
import { LoopDisk } from "../disk.ts";
import { FaultHub, programWords } from "../hub.ts";
import { filesBelow, judge, logLines, problemsOf } from "../judge.ts";
import type { Row, Run } from "../row.ts";
import { type Entry, Senders } from "../senders.ts";

/** The calls that change the data directory, or read what decides over it. */
const CALLS = "openat,open,write,rename,renameat2,unlinkat,unlink,rmdir,mkdir,getdents64,statx";

/** Images of each day. */
const IMAGES = 3;

/** Today in UTC. */
const today = (): string => new Date().toISOString().slice(0, 10);

/** Days before today that are deleted, and that are kept. */
const DUE = [-5, -4].map((days) => daysAfter(today(), days));
const HELD = [-3, -2, -1, 0].map((days) => daysAfter(today(), days));

interface Tree {
  readonly directory: DataDirectory;
  /** The protected image, of a day that is due. */
  readonly protectedName: string;
}

/** Makes days with images, a protected image and somebody else's file. */
function makeTree(data: string, images = IMAGES): Tree {
  const directory = dataDirectory(data);
  for (const date of [...DUE, ...HELD]) {
    for (let image = 0; image < images; image++) {
      const seconds = Math.floor((image * 86_400) / images);
      const time = [seconds / 3600, (seconds / 60) % 60, seconds % 60]
        .map((part) => String(Math.floor(part)).padStart(2, "0"))
        .join(":");
      addImage(directory, date, time, "Old");
    }
    writeFileSync(`${directory.dateFolder(date)}/notes.txt`, "not the hub's");
  }
  const protectedName = namesOf(directory, DUE[1]!).find((name) => name.startsWith("Old"))!;
  mkdirSync(directory.keptFolder(DUE[1]!), { recursive: true });
  linkSync(
    `${directory.dateFolder(DUE[1]!)}/${protectedName}`,
    `${directory.keptFolder(DUE[1]!)}/${protectedName}`,
  );
  writeFileSync(directory.eventLog, "");
  return { directory, protectedName };
}

const imagesOf = (directory: DataDirectory, date: string): string[] =>
  namesOf(directory, date).filter((name) => name.startsWith("Old"));

/** What is gone and must not be. */
function losses({ directory, protectedName }: Tree, images = IMAGES): string[] {
  return [
    ...HELD.filter((date) => imagesOf(directory, date).length !== images).map(
      (date) =>
        `a day that must be kept has ${imagesOf(directory, date).length} of ${images} images (${date})`,
    ),
    ...[...DUE, ...HELD]
      .filter((date) => !namesOf(directory, date).includes("notes.txt"))
      .map((date) => `somebody else's file is gone (${date})`),
    ...(namesOf(directory, DUE[1]!).includes(protectedName)
      ? []
      : ["a protected image is gone from its day"]),
    ...(filesBelow(directory.kept).length === 1 ? [] : ["a protected image is gone from kept"]),
  ];
}

/** Whether the lines of the event log tell of all images that are gone. */
function areTold({ path }: DataDirectory, gone: number): boolean {
  const texts = logLines(path).map((line) => line.slice(line.indexOf("~") + 2));
  const counted = texts.reduce((sum, text) => sum + (parseRecord(text)?.count ?? 0), 0);
  return counted >= gone || texts.some((text) => text.includes("interrupted"));
}

/** Runs `imagehub prune`, after other words. */
function prune(run: Run, data: string, before: readonly string[] = []): void {
  const words = [...before, ...programWords(run.program), "prune", "--path", data, "--data", data];
  Bun.spawnSync(words, {
    env: { ...process.env, TZ: "UTC", IMAGEHUB_KEEP_DAYS: "2" },
    stdout: "ignore",
    stderr: "ignore",
  });
}

/** Ends a deletion at each of its calls. */
function killAtEachCall(run: Run): { readonly points: number; readonly problems: string[] } {
  using scratch = tempDir();
  const undo = atExit(() => scratch[Symbol.dispose]());
  const problems: string[] = [];
  const trace = join(scratch.path, "trace");
  const data = join(scratch.path, "traced");
  makeTree(data);
  prune(run, data, ["strace", "-f", "-y", "-o", trace, "-e", `trace=${CALLS}`]);
  const points = pointsOf(readFileSync(trace, "utf8").split("\n"), data);
  const tried = run.short ? points.filter((_, index) => index % 8 === 0) : points;
  for (const [index, { call, nth }] of tried.entries()) {
    const tree = makeTree(join(scratch.path, String(index)));
    const { directory } = tree;
    const inject = `inject=${call}:signal=KILL:when=${nth}`;
    prune(run, directory.path, [
      "strace",
      "-f",
      "-o",
      "/dev/null",
      "-e",
      `trace=${call}`,
      "-e",
      inject,
    ]);
    const at = `${call} ${nth}: `;
    problems.push(...losses(tree).map((line) => at + line));
    prune(run, directory.path);
    problems.push(...losses(tree).map((line) => `${at}then ${line}`));
    const left = DUE.reduce((sum, date) => sum + imagesOf(directory, date).length, 0);
    if (left !== 1) problems.push(`${at}${left - 1} images that are due are still there`);
    if (!areTold(directory, DUE.length * IMAGES - left))
      problems.push(`${at}images are gone, and no line tells why`);
  }
  undo();
  return { points: tried.length, problems };
}

/** The calls in a trace that concern the data directory. Threads are counted by themselves. */
function pointsOf(
  lines: readonly string[],
  data: string,
): { readonly call: string; readonly nth: number }[] {
  const counts = new Map<string, number>();
  const main = /^(\d+) /.exec(lines[0] ?? "")?.[1];
  return lines.flatMap((line) => {
    const [, thread, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (thread !== main || call === undefined) return [];
    const nth = (counts.get(call) ?? 0) + 1;
    counts.set(call, nth);
    return line.includes(data) ? [{ call, nth }] : [];
  });
}

/** Cuts the power while images are deleted beside cameras. */
async function cutPower(run: Run): Promise<string[]> {
  using disk = new LoopDisk({ bytes: 256 * 2 ** 20 });
  const images = 2000;
  const tree = makeTree(`${disk.path}/data`, images);
  Bun.spawnSync(["sync", "-f", disk.path]);
  const { directory } = tree;
  await using hub = new FaultHub({
    program: run.program,
    data: directory.path,
    settings: { ack: "synced", keep: { days: 2 } },
    env: { TZ: "UTC" },
  });
  await hub.start();
  await using senders = new Senders(hub.address, { images: 3, size: 5000, timeoutMs: 1500 });
  await senders.firstOk(0, "image");
  for (let tries = 0; tries < 500 && imagesOf(directory, DUE[0]!).length === images; tries++)
    await Bun.sleep(10);
  await Bun.sleep(Math.random() * 500);
  const cutS = Date.now() / 1000;
  disk.cutPower();
  await hub.kill();
  // Without power, nobody answers.
  const journal: Entry[] = [];
  for (const entry of await senders.stop())
    journal.push(entry.at > cutS ? { ...entry, reply: null } : entry);
  disk.powerOn();
  const found = judge(directory.path, journal, /^(?:Old-|notes)/);
  const kept = filesBelow(directory.kept).length === 1 ? [] : ["a protected image is gone"];
  return [...problemsOf(found), ...kept].map((line) => `power cut: ${line}`);
}

/** Kills a hub again and again that deletes beside cameras. */
async function killUnderLoad(
  run: Run,
  times: number,
): Promise<{ lost: number; of: number; problems: string[] }> {
  using disk = new LoopDisk({ bytes: 128 * 2 ** 20 });
  const directory = dataDirectory(`${disk.path}/data`);
  await using hub = new FaultHub({
    program: run.program,
    data: directory.path,
    settings: { keep: { days: 2 } },
    env: { TZ: "UTC" },
  });
  // More than half of all would wait for a person.
  addImage(directory, HELD[2]!, "10:00:00", "Old-large", 40e6);
  const journal: Entry[] = [];
  for (let done = 0; done < times; done++) {
    for (let image = 0; image < 600; image++) {
      const second = String(image % 60).padStart(2, "0");
      const minute = String(Math.floor(image / 60)).padStart(2, "0");
      addImage(directory, DUE[done % 2]!, `10:${minute}:${second}`, `Old-${done}`, 20_000);
    }
    await hub.start();
    await using senders = new Senders(hub.address, {
      images: 4,
      events: 1,
      size: 3000,
      pauseMs: 5,
      timeoutMs: 800,
    });
    await senders.firstOk(0, "image");
    await Bun.sleep(800 + Math.random() * 1200);
    await hub.kill();
    journal.push(...(await senders.stop()));
    run.say(`${done + 1} kills`);
  }
  const found = judge(directory.path, journal, /^Old-/);
  return { lost: found.lost.length, of: found.acknowledged, problems: problemsOf(found, "kill: ") };
}

export const pruning: Row = {
  name: "prune",
  cause: "kill -9 at every call of a deletion, and under load; a power cut meanwhile",
  mustHold: "only what is due is gone, and a line tells why; no request that was answered OK",
  needs: ["root", "strace", "loop"],
  run: async (run) => {
    const calls = killAtEachCall(run);
    run.say(`${calls.points} calls`);
    const cuts = run.short ? 1 : 10;
    const cutProblems: string[] = [];
    for (let done = 0; done < cuts; done++) cutProblems.push(...(await cutPower(run)));
    run.say(`${cuts} power cuts`);
    const kills = run.short ? 2 : 20;
    const killed = await killUnderLoad(run, kills);
    return {
      figure:
        `${calls.points} calls, ${cuts} power cuts; ` +
        `${killed.lost} of ${killed.of} lost in ${kills} kills under load`,
      problems: [...calls.problems, ...cutProblems, ...killed.problems],
    };
  },
};
