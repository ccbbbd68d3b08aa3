import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Folder } from "../../src/os/folder.ts";
import type { Deletion } from "../../src/keep/plan.ts";
import { EnoughBytes } from "../../src/keep/enough.ts";
import { type Pruned, Pruner, type PruneParts } from "../../src/keep/prune.ts";
import { DataDirectoryGone } from "../../src/store/data-guard.ts";
import type { DataDirectory } from "../../src/store/data-directory.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { addImage, dataDirectory, datesOf, namesOf } from "../support/store/days.ts";

const DATE = "2021-09-23";
const all = Number.POSITIVE_INFINITY;

let temp: TempDir;
let directory: DataDirectory;
let failures: string[];

beforeEach(() => {
  temp = tempDir();
  directory = dataDirectory(`${temp.path}/data`);
  failures = [];
});

afterEach(() => {
  temp[Symbol.dispose]();
});

function pruner(parts: Partial<PruneParts> = {}): Pruner {
  return new Pruner({
    directory,
    check: () => undefined,
    protectedNames: () => new Set(),
    copies: undefined,
    until: { date: "2021-09-25", micros: 0 },
    isUrgent: () => true,
    shouldStop: () => false,
    isRehearsal: false,
    onFailure: (message) => failures.push(message),
    ...parts,
  });
}

async function prune(
  deletion: Partial<Deletion>,
  parts: Partial<PruneParts> = {},
): Promise<Pruned> {
  return await pruner(parts).run({
    reason: "days",
    candidates: [{ date: DATE }],
    bytes: all,
    ...deletion,
  });
}

describe("Pruner", () => {
  test("deletes a day, and its folder", async () => {
    addImage(directory, DATE, "10:00");
    addImage(directory, DATE, "23:59", "Gate", 500);
    addImage(directory, "2021-09-24", "10:00");
    expect(await prune({})).toEqual({
      reason: "days",
      images: 2,
      bytes: 1500,
      freed: { bytes: expect.any(Number), files: 2 },
      error: undefined,
      days: [{ date: DATE, images: 2, bytes: 1500, cameras: undefined, until: undefined }],
    });
    expect(datesOf(directory)).toEqual(["2021-09-24"]);
    expect(failures).toEqual([]);
  });

  test("deletes the oldest until enough is gone, by whole hours", async () => {
    for (const time of ["10:00", "10:10", "10:59:59", "11:00", "12:00"])
      addImage(directory, DATE, time);
    expect(await prune({ bytes: 1500 })).toMatchObject({
      images: 3,
      bytes: 3000,
      days: [{ until: "11:00" }],
    });
    expect(namesOf(directory, DATE)).toHaveLength(2);
    expect(await prune({ bytes: 1000 })).toMatchObject({ images: 1, days: [{ until: "12:00" }] });
  });

  test("goes on to the next candidate, and stops between two when enough is gone", async () => {
    for (const date of [DATE, "2021-09-24"]) addImage(directory, date, "10:00");
    const candidates = [{ date: DATE }, { date: "2021-09-24" }];
    expect(await prune({ candidates, bytes: 1000 })).toMatchObject({ images: 1 });
    expect(datesOf(directory)).toEqual(["2021-09-24"]);
  });

  test("deletes one camera", async () => {
    addImage(directory, DATE, "10:00", "Barn");
    addImage(directory, DATE, "10:00", "Barn-Door");
    const gate = addImage(directory, DATE, "10:00", "Gate");
    const candidates = [
      { date: DATE, cameras: ["Barn"] },
      { date: DATE, cameras: ["Barn-Door"] },
    ];
    expect(await prune({ candidates })).toMatchObject({
      images: 2,
      days: [
        { date: DATE, images: 1, cameras: ["Barn"], until: undefined },
        { date: DATE, images: 1, cameras: ["Barn-Door"], until: undefined },
      ],
    });
    expect(namesOf(directory, DATE)).toEqual([gate]);
  });

  test("leaves everything that is not the hub's image of that day", async () => {
    addImage(directory, DATE, "10:00");
    const folder = directory.dateFolder(DATE);
    const others = [
      "notes.txt",
      ".hidden-2021-09-23T10.00.00.000000.jpg",
      "-2021-09-23T10.00.00.000000.jpg",
      "Barn-2021-09-22T10.00.00.000000.jpg",
      "Barn-2021-09-23T10.00.00.000000.jpeg",
      "Barn-2021-09-23T10.00.00.000000.jpg.part",
      "Barn-2021-09-23T25.00.00.000000.jpg",
      "Barn-2021-09-23.jpg",
    ];
    for (const name of others) writeFileSync(`${folder}/${name}`, "x");
    mkdirSync(`${folder}/Folder-2021-09-23T10.00.00.000000.jpg`);
    writeFileSync(`${temp.path}/outside.jpg`, "x");
    symlinkSync(`${temp.path}/outside.jpg`, `${folder}/Link-2021-09-23T10.00.00.000000.jpg`);
    expect(await prune({})).toMatchObject({ images: 1 });
    expect(namesOf(directory, DATE)).toHaveLength(others.length + 2);
    expect(existsSync(`${temp.path}/outside.jpg`)).toBe(true);
  });

  test("does not follow a link in the place of a day", async () => {
    const elsewhere = dataDirectory(`${temp.path}/elsewhere`);
    addImage(elsewhere, DATE, "10:00");
    symlinkSync(elsewhere.dateFolder(DATE), directory.dateFolder(DATE));
    expect(await prune({})).toMatchObject({ images: 0, days: [] });
    expect(namesOf(elsewhere, DATE)).toHaveLength(1);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toContain("ENOTDIR");
  });

  test("deletes in the folder that it has opened, also if another one takes its path", async () => {
    for (let minute = 0; minute < 60; minute++)
      addImage(directory, DATE, `10:${String(minute).padStart(2, "0")}`);
    const other = `${temp.path}/other`;
    mkdirSync(other);
    let checks = 0;
    const check = (): void => {
      if (++checks !== 2) return;
      for (const name of namesOf(directory, DATE))
        linkSync(`${directory.dateFolder(DATE)}/${name}`, `${other}/${name}`);
      renameSync(directory.dateFolder(DATE), `${temp.path}/moved`);
      renameSync(other, directory.dateFolder(DATE));
    };
    expect((await prune({}, { check })).images).toBe(60);
    expect(readdirSync(`${temp.path}/moved`)).toEqual([]);
    expect(namesOf(directory, DATE)).toHaveLength(10);
  });

  test("stops when the data directory is not the one it was", async () => {
    for (let minute = 10; minute < 60; minute++)
      for (let second = 10; second < 14; second++)
        addImage(directory, DATE, `10:${minute}:${second}`);
    let checks = 0;
    const check = (): void => {
      if (++checks === 3) throw new DataDirectoryGone("another disk");
    };
    const { images, error } = await prune({}, { check });
    expect([images, String(error)]).toEqual([100, "DataDirectoryGone: another disk"]);
    expect(namesOf(directory, DATE)).toHaveLength(100);
  });

  test("leaves protected images", async () => {
    const name = addImage(directory, DATE, "10:00");
    addImage(directory, DATE, "11:00");
    expect(await prune({}, { protectedNames: () => new Set([name]) })).toMatchObject({ images: 1 });
    expect(namesOf(directory, DATE)).toEqual([name]);
  });

  test("leaves images without copies", async () => {
    const names = ["10:00", "11:00", "12:00"].map((time) => addImage(directory, DATE, time));
    const copies = {
      has: () => (name: string, folder: Folder) =>
        name !== names[0] && folder.sizeOf(name) === 1000,
      lacks: (date: string) => `it has no copies of ${date}`,
    };
    writeFileSync(`${directory.dateFolder(DATE)}/${names[1]}`, "changed");
    expect(await prune({}, { copies })).toMatchObject({ images: 1 });
    expect(namesOf(directory, DATE)).toEqual(names.slice(0, 2));
    expect(failures).toEqual([`Cannot delete 2 images of ${DATE}: it has no copies of ${DATE}`]);
  });

  test("leaves images of the last hour", async () => {
    const until = { date: DATE, micros: 11 * 3600 * 1e6 };
    addImage(directory, DATE, "10:59:59");
    const young = addImage(directory, DATE, "11:00");
    expect(await prune({}, { until })).toMatchObject({ images: 1, days: [{ until: "11:00" }] });
    expect(namesOf(directory, DATE)).toEqual([young]);
    expect(await prune({ candidates: [{ date: "2021-09-24" }] }, { until })).toMatchObject({
      images: 0,
    });
  });

  test("says what cannot be deleted, and tries the next", async () => {
    addImage(directory, DATE, "10:00");
    addImage(directory, "2021-09-24", "10:00");
    Bun.spawnSync(["chattr", "+i", `${directory.dateFolder(DATE)}/${namesOf(directory, DATE)[0]}`]);
    if (process.geteuid?.() !== 0) chmodSync(directory.dateFolder(DATE), 0o555);
    const candidates = [{ date: DATE }, { date: "2021-09-24" }];
    const pruned = await prune({ candidates });
    Bun.spawnSync(["chattr", "-i", `${directory.dateFolder(DATE)}/${namesOf(directory, DATE)[0]}`]);
    if (existsSync(directory.dateFolder(DATE))) chmodSync(directory.dateFolder(DATE), 0o755);
    expect(pruned).toMatchObject({ images: 1, days: [{ date: "2021-09-24" }] });
    expect(failures).toHaveLength(1);
  });

  test("goes on with the next day if nobody knows what is protected or copied", async () => {
    const dates = [DATE, "2021-09-24"];
    for (const date of dates) addImage(directory, date, "10:00");
    const fails = (date: string): never | Set<string> => {
      if (date === DATE) throw new Error("damaged");
      return new Set<string>();
    };
    const candidates = dates.map((date) => ({ date }));
    expect(await prune({ candidates }, { protectedNames: fails })).toMatchObject({ images: 1 });
    expect(datesOf(directory)).toEqual([DATE]);
    expect(failures).toEqual([`Cannot delete images of ${DATE}: damaged`]);
    addImage(directory, "2021-09-24", "10:00");
    const copies = {
      has: async (date: string) => {
        await Bun.sleep(0);
        return () => fails(date).size === 0;
      },
      lacks: () => "",
    };
    expect(await prune({ candidates }, { copies })).toMatchObject({ images: 1 });
    expect(datesOf(directory)).toEqual([DATE]);
  });

  test("tells what is gone if the disk cannot say any more whether that is enough", async () => {
    const dates = [DATE, "2021-09-24"];
    for (const date of dates) addImage(directory, date, "10:00");
    const enough = new EnoughBytes(all);
    let asked = 0;
    enough.isReached = () => {
      if (asked++ > 0) throw new Error("input/output error");
      return false;
    };
    const pruned = await pruner().run(
      { reason: "days", candidates: dates.map((date) => ({ date })), bytes: all },
      enough,
    );
    expect(pruned).toMatchObject({ images: 1, days: [{ date: DATE }] });
    expect(datesOf(directory)).toEqual(["2021-09-24"]);
    expect(failures).toEqual(["Cannot delete images of 2021-09-24: input/output error"]);
  });

  test("gives a day up if none of its images can be deleted", async () => {
    for (let minute = 10; minute < 60; minute++)
      for (const second of [10, 11, 12]) addImage(directory, DATE, `10:${minute}:${second}`);
    Bun.spawnSync(["chattr", "+a", directory.dateFolder(DATE)]);
    try {
      expect(await prune({})).toMatchObject({ images: 0, days: [] });
    } finally {
      Bun.spawnSync(["chattr", "-a", directory.dateFolder(DATE)]);
    }
    expect(failures).toHaveLength(1);
    expect(failures[0]).toStartWith(`Cannot delete 100 images of ${DATE}: `);
  });

  test("goes on with a day in which a handful of images in succession cannot be deleted", async () => {
    for (let minute = 10; minute < 60; minute++) addImage(directory, DATE, `10:${minute}`);
    const bad = namesOf(directory, DATE).slice(0, 12);
    const paths = bad.map((name) => `${directory.dateFolder(DATE)}/${name}`);
    Bun.spawnSync(["chattr", "+i", ...paths]);
    try {
      expect(await prune({})).toMatchObject({ images: 38 });
      expect(namesOf(directory, DATE)).toEqual(bad);
    } finally {
      Bun.spawnSync(["chattr", "-i", ...paths]);
    }
    expect(failures).toHaveLength(1);
    expect(failures[0]).toStartWith(`Cannot delete 12 images of ${DATE}: `);
  });

  test("deletes nothing if the directory is moved away before it is known what is protected", async () => {
    addImage(directory, DATE, "10:00");
    let isMoved = false;
    const protectedNames = (): Set<string> => {
      renameSync(directory.path, `${temp.path}/away`);
      isMoved = true;
      return new Set();
    };
    const check = (): void => {
      if (isMoved) throw new DataDirectoryGone("moved");
    };
    const { images, error } = await prune({}, { protectedNames, check });
    expect([images, String(error)]).toEqual([0, "DataDirectoryGone: moved"]);
    expect(readdirSync(`${temp.path}/away/images/${DATE}`)).toHaveLength(1);
  });

  test("is not disturbed by a day that is gone", async () => {
    expect(await prune({})).toMatchObject({ images: 0, bytes: 0, days: [] });
    expect(existsSync(dirname(directory.images))).toBe(true);
    expect(failures).toEqual([]);
  });

  test("changes nothing in a rehearsal, and counts the same", async () => {
    for (const time of ["10:00", "10:10", "11:00"]) addImage(directory, DATE, time);
    const rehearsed = await prune({ bytes: 1500 }, { isRehearsal: true });
    expect(namesOf(directory, DATE)).toHaveLength(3);
    expect(await prune({ bytes: 1500 })).toEqual(rehearsed);
  });

  test("ends early when it is told to", async () => {
    for (let minute = 10; minute < 60; minute++) addImage(directory, DATE, `10:${minute}`);
    let asked = 0;
    const pruned = await prune({}, { shouldStop: () => ++asked > 10 });
    expect(pruned.images).toBe(50 - namesOf(directory, DATE).length);
    expect(pruned.images).toBeLessThan(12);
  });
});
