/**
 * The follower with real files: made as the hub makes them, and by the hub.
 *
 * @module
 */

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { lacks } from "../../scripts/lib/available.ts";
import type { StoredImage } from "../../src/catalog/day-follower.ts";
import { FolderWatch } from "../../src/catalog/folder-watch.ts";
import { Follower, type FollowerOptions, type StoredEvent } from "../../src/catalog/follower.ts";
import { Known, NameTable } from "../../src/catalog/name-table.ts";
import { formatImageFileName, type ImageFileName } from "../../src/protocol/names.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { startHub } from "../support/hub/hub.ts";
import { FakeClock } from "../support/machine/fake-clock.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { Sender } from "../support/peers/sender.ts";
import { StoreThread } from "../support/store/store-thread.ts";

setDefaultTimeout(120_000);

const DAY = "2026-11-22";
const NEXT = "2026-11-23";
/** No test waits for this one. */
const NEVER_MS = 100_000_000;

let temp: TempDir;
let directory: DataDirectory;
let today: string;
let images: StoredImage[];
let events: StoredEvent[];
let problems: string[];

beforeEach(() => {
  temp = tempDir();
  directory = new DataDirectory(temp.path);
  mkdirSync(directory.images);
  mkdirSync(directory.logs);
  writeFileSync(join(temp.path, "content"), "x");
  today = DAY;
  [images, events, problems] = [[], [], []];
});

afterEach(() => {
  temp[Symbol.dispose]();
});

function follow(options: Partial<FollowerOptions> = {}, where = directory): Follower {
  const follower = new Follower(where, {
    today: () => today,
    onImage: (image) => images.push(image),
    onEvent: (event) => events.push(event),
    onProblem: (message) => problems.push(message),
    pollMs: NEVER_MS,
    ...options,
  });
  follower.start();
  return follower;
}

function nameOf(date: string, index: number): string {
  const micros = 36_000_000_000 + index;
  return formatImageFileName(
    { camera: `Barn-${index % 7}`, micros, hasFraction: true, suffix: ".jpg" },
    date,
  );
}

/** Stores images with these numbers, as the hub does but for their content. */
function store(date: string, from: number, to: number): string[] {
  mkdirSync(directory.dateFolder(date), { recursive: true });
  return Array.from({ length: to - from }, (_, index) => {
    const name = nameOf(date, from + index);
    linkSync(join(temp.path, "content"), join(directory.dateFolder(date), name));
    return name;
  });
}

/** The words that start a process which makes images as fast as it can. */
function linker(count: number): string[] {
  const script = Bun.fileURLToPath(new URL("../support/store/linker.ts", import.meta.url));
  return [process.execPath, script, temp.path, DAY, String(count)];
}

const line = (date: string, text: string): string => `${date} 10:00:00,000 ~ ${text}\n`;

/** Bounds a wait that would else not end. */
const BOUND_MS = 60_000;

async function until(isTrue: () => boolean): Promise<void> {
  const end = performance.now() + BOUND_MS;
  while (!isTrue()) {
    if (performance.now() > end)
      throw new Error(`${images.length} images, ${events.length} events`);
    await Bun.sleep(5);
  }
}

/** Waits for as many images, and a little longer for any that must not come. */
async function toldImages(count: number): Promise<string[]> {
  await until(() => images.length >= count);
  await Bun.sleep(100);
  expect(problems).toEqual([]);
  return images.map(({ name }) => name);
}

async function toldTexts(count: number): Promise<string[]> {
  await until(() => events.length >= count);
  await Bun.sleep(100);
  expect(problems).toEqual([]);
  return events.map(({ text }) => text);
}

describe("images", () => {
  test("are told once, with date, camera and time; what was there before is not", async () => {
    store(DAY, 0, 3);
    using _ = follow({ pollMs: 20 });
    const names = store(DAY, 3, 5);
    writeFileSync(join(directory.dateFolder(DAY), ".incoming-1"), "");
    writeFileSync(join(directory.dateFolder(DAY), "notes.txt"), "");
    rmSync(join(directory.dateFolder(DAY), nameOf(DAY, 0)));
    expect(await toldImages(2)).toEqual(names);
    expect(images[0]).toEqual({
      date: DAY,
      name: nameOf(DAY, 3),
      camera: "Barn-3",
      micros: 36_000_000_003,
    });
  });

  test("that are seen together are told in the order of their times", async () => {
    mkdirSync(directory.dateFolder(DAY));
    using _ = follow();
    const names = [5, 1, 4, 2, 3].flatMap((index) => store(DAY, index, index + 1));
    // The thread is busy until the kernel has told all of them.
    Bun.sleepSync(200);
    expect(await toldImages(5)).toEqual(names.toSorted((a, b) => (a.at(5)! < b.at(5)! ? -1 : 1)));
  });

  test("are all told while another process makes 20,000 of them", async () => {
    mkdirSync(directory.dateFolder(DAY));
    using _ = follow({ pollMs: 200 });
    const made = Bun.spawn(linker(20_000));
    expect(await made.exited).toBe(0);
    expect(new Set(await toldImages(20_000)).size).toBe(20_000);
    expect(images.length).toBe(20_000);
  });

  test("that come while the thread is blocked are all told once", async () => {
    mkdirSync(directory.dateFolder(DAY));
    using _ = follow({ pollMs: 200 });
    const made = Bun.spawnSync(linker(30_000));
    expect(made.exitCode).toBe(0);
    expect(new Set(await toldImages(30_000)).size).toBe(30_000);
    expect(images.length).toBe(30_000);
  });

  test("that the watch misses are found by reading, and then it watches again", async () => {
    mkdirSync(directory.dateFolder(DAY));
    using follower = follow({ pollMs: 50 });
    const watch = follower["folders"].get(DAY)!;
    watch["watcher"]!.close();
    const first = store(DAY, 0, 100);
    expect(await toldImages(100)).toEqual(first);
    clearInterval(follower["timer"]);
    const second = store(DAY, 100, 200);
    expect(await toldImages(200)).toEqual([...first, ...second]);
  });

  test("of the next day follow, and late ones of the day before", async () => {
    const before = store(DAY, 0, 1);
    using _ = follow();
    today = NEXT;
    const names = [...store(NEXT, 0, 3), ...store(DAY, 1, 3)];
    expect((await toldImages(5)).toSorted()).toEqual(names.toSorted());
    expect(names).not.toContain(before[0]);
  });

  test("are told when the folder of the day is removed and made again", async () => {
    using _ = follow();
    const told = store(DAY, 0, 10);
    expect(await toldImages(10)).toEqual(told);
    for (let round = 1; round < 5; round++) {
      rmSync(directory.dateFolder(DAY), { recursive: true });
      told.push(...store(DAY, round * 10, round * 10 + 5));
      expect(await toldImages(told.length)).toEqual(told);
      // It is watched again, and not only read.
      told.push(...store(DAY, round * 10 + 5, round * 10 + 10));
      expect(await toldImages(told.length)).toEqual(told);
    }
  });

  test("are told when the folder of all images is replaced", async () => {
    const old = store(DAY, 0, 3);
    using _ = follow({ pollMs: 20 });
    renameSync(directory.images, `${directory.images}.old`);
    const names = store(DAY, 3, 6);
    expect(await toldImages(3)).toEqual(names);
    rmSync(directory.images, { recursive: true });
    renameSync(`${directory.images}.old`, directory.images);
    names.push(...store(DAY, 6, 9));
    expect(await toldImages(6)).toEqual(names);
    expect(names).not.toContain(old[0]);
  });

  test("of a day long ago are told once the clock says so, and only new ones", async () => {
    store("2026-10-01", 0, 10);
    store(DAY, 0, 10);
    using _ = follow();
    // Somebody brings some back, and removes one.
    store("2026-10-01", 50, 55);
    rmSync(join(directory.dateFolder("2026-10-01"), nameOf("2026-10-01", 0)));
    expect(await toldImages(0)).toEqual([]);
    today = "2026-10-01";
    const names = store("2026-10-01", 10, 20);
    expect(await toldImages(10)).toEqual(names);
    today = DAY;
    names.push(...store(DAY, 10, 12));
    expect(await toldImages(12)).toEqual(names);
  });

  test("are told from the first one, if there is nothing yet at the start", async () => {
    rmSync(directory.images, { recursive: true });
    using _ = follow({ pollMs: 20 });
    const names = store(DAY, 0, 3);
    expect(await toldImages(3)).toEqual(names);
  });
});

describe("events", () => {
  test("are whole lines from the end, and the hub's own are marked", async () => {
    appendFileSync(directory.eventLog, `${line(DAY, "Barn|old|1")}${DAY} 10:00:00,000 ~ Bar`);
    using _ = follow();
    appendFileSync(directory.eventLog, "n|half|1\n");
    appendFileSync(directory.eventLog, `${line(DAY, "Pruned 1 day")}no record\n${DAY} 10:0`);
    expect(await toldTexts(2)).toEqual(["Barn|half|1", "Pruned 1 day"]);
    appendFileSync(directory.eventLog, "0:00,000 ~ Barn|last|1\n");
    await toldTexts(3);
    expect(events.map(({ isHub }) => isHub)).toEqual([false, true, false]);
    expect(events[2]).toEqual({ at: `${DAY} 10:00:00,000`, text: "Barn|last|1", isHub: false });
  });

  test.each([[[]], [["hard links" as const]]])(
    "are told over many midnights, while the log rotates, without %j",
    async (lost) => {
      const clock = FakeClock.at(`${DAY}T12:00:00`);
      using thread = await StoreThread.start({ data: temp.path, clock: clock.state, lost });
      await thread.append(["Barn|old|0"]);
      using _ = follow();
      const texts: string[] = [];
      for (let day = 0; day < 20; day++) {
        const some = Array.from({ length: 10 }, (__, index) => `Barn|${day}|${index}`);
        expect(new Set(await thread.append(some))).toEqual(new Set(["ok"]));
        texts.push(...some);
        clock.advance(86_400);
      }
      expect(await toldTexts(200)).toEqual(texts);
      // A command may still append to the log of before.
      appendFileSync(`${directory.eventLog}.2026-12-10`, line("2026-12-10", "late"));
      expect(await toldTexts(201)).toEqual([...texts, "late"]);
    },
  );

  test("are told when the log turns over several times while the thread is blocked", async () => {
    writeFileSync(directory.eventLog, line("2026-11-20", "Barn|old|1"));
    using _ = follow();
    appendFileSync(directory.eventLog, line("2026-11-20", "Barn|a|1"));
    for (const [date, next, text] of [
      ["2026-11-20", "2026-11-21", "Barn|b|1"],
      ["2026-11-21", "2026-11-22", "Barn|c|1"],
    ] as const) {
      linkSync(directory.eventLog, `${directory.eventLog}.${date}`);
      writeFileSync(join(directory.logs, ".incoming-1"), line(next, text));
      renameSync(join(directory.logs, ".incoming-1"), directory.eventLog);
    }
    expect(await toldTexts(3)).toEqual(["Barn|a|1", "Barn|b|1", "Barn|c|1"]);
  });

  test("are told after the log is truncated, edited, and removed, none of them twice", async () => {
    using _ = follow({ pollMs: 20 });
    appendFileSync(directory.eventLog, line(DAY, "Barn|1|1") + line(DAY, "Barn|2|1"));
    await toldTexts(2);
    truncateSync(directory.eventLog, 0);
    appendFileSync(directory.eventLog, line(DAY, "Barn|3|1"));
    await toldTexts(3);
    // As an editor does.
    const text = readFileSync(directory.eventLog, "utf8");
    writeFileSync(`${directory.logs}/4913`, line(DAY, "Barn|new first|1") + text);
    renameSync(`${directory.logs}/4913`, directory.eventLog);
    appendFileSync(directory.eventLog, line(DAY, "Barn|4|1"));
    await toldTexts(4);
    rmSync(directory.eventLog);
    await Bun.sleep(50);
    appendFileSync(directory.eventLog, line(DAY, "Barn|5|1"));
    const wanted = ["Barn|1|1", "Barn|2|1", "Barn|3|1", "Barn|4|1", "Barn|5|1"];
    expect(await toldTexts(5)).toEqual(wanted);
  });

  test("are told where logs is a link, and is made after the start", async () => {
    rmSync(directory.logs, { recursive: true });
    using _ = follow({ pollMs: 20 });
    mkdirSync(join(temp.path, "elsewhere"));
    symlinkSync("elsewhere", directory.logs);
    appendFileSync(directory.eventLog, line(DAY, "Barn|1|1"));
    await toldTexts(1);
    appendFileSync(directory.eventLog, line(DAY, "Barn|2|1"));
    expect(await toldTexts(2)).toEqual(["Barn|1|1", "Barn|2|1"]);
  });
});

test.skipIf(lacks("python"))("everything that a hub stores under load is told once", async () => {
  await using hub = await startHub();
  const where = new DataDirectory(hub.dataDir);
  using _ = follow({ today: () => hub.today(), pollMs: 500 }, where);
  await using one = new Sender(hub.port);
  await using other = new Sender(hub.port);
  const count = 2000;
  const load = (sender: Sender, seed: number): Promise<unknown> =>
    sender.load({
      msg: "Barn|jpg",
      count,
      size: 20_000,
      seed,
      journal: join(temp.path, `${seed}`),
    });
  await Promise.all([load(one, 1), load(other, 2)]);
  expect((await one.event("Barn|Temp|7")).reply).toBe("OK");
  await until(() => readdirSync(where.dateFolder(hub.today())).length === 2 * count);
  expect((await toldImages(2 * count)).toSorted()).toEqual(
    readdirSync(where.dateFolder(hub.today())).toSorted(),
  );
  await until(() => events.some(({ text }) => text === "Barn|Temp|7"));
});

function parts(index: number, isOther = false): ImageFileName {
  return {
    camera: `Barn-${index % 40}`,
    micros: Math.floor(index / 2) * 431_000 + (isOther ? 1 : 0),
    hasFraction: true,
    suffix: index % 3 === 0 ? ".png" : ".jpg",
  };
}

const openFiles = (): number => readdirSync("/proc/self/fd").length;

describe("what it costs", () => {
  test("200,000 names take less than 20 MB, and none is taken for another", () => {
    Bun.gc(true);
    const before = process.memoryUsage();
    const table = new NameTable();
    for (let index = 0; index < 200_000; index++) {
      expect(table.get(parts(index))).toBe(Known.no);
      table.set(parts(index), index % 5 === 0 ? Known.before : Known.told);
    }
    Bun.gc(true);
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    expect(arrayBuffers + heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(20e6);
    for (let index = 0; index < 200_000; index++) {
      if (table.get(parts(index)) !== (index % 5 === 0 ? Known.before : Known.told))
        throw new Error(`${index} is lost`);
      if (table.get(parts(index, true)) !== Known.no) throw new Error(`${index} is wrong`);
    }
  });

  test("no descriptor and no callback is left once it is disposed", async () => {
    // The one of the whole process stays.
    using watch = new FolderWatch(temp.path, () => {});
    watch.renew();
    store(DAY, 0, 5000);
    const before = openFiles();
    for (let round = 0; round < 20; round++) {
      const follower = follow({ pollMs: 1 });
      store(DAY, 5000 + round, 5001 + round);
      // Also while it reads the folder.
      await Bun.sleep(round);
      follower[Symbol.dispose]();
    }
    const count = images.length;
    store(DAY, 6000, 6100);
    await Bun.sleep(50);
    expect(openFiles()).toBe(before);
    expect(images.length).toBe(count);
  });
});

test("what no watch has told yet is told at the end, and nothing after it", async () => {
  store(DAY, 0, 10);
  using follower = follow();
  const names = store(DAY, 10, 5000);
  mkdirSync(directory.logs, { recursive: true });
  appendFileSync(directory.eventLog, line(DAY, "Barn|Temp|76 F"));
  await follower.finish();
  expect(images.map(({ name }) => name)).toEqual(names);
  expect(events.map(({ text }) => text)).toEqual(["Barn|Temp|76 F"]);
  store(DAY, 5000, 5010);
  await Bun.sleep(100);
  expect(images).toHaveLength(names.length);
  expect(problems).toEqual([]);
});
