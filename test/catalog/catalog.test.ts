import { afterEach, beforeEach, describe, expect, setSystemTime, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type CatalogDay, readDays } from "../../src/catalog/catalog.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { Later } from "../support/machine/later.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";

let temp: TempDir;
let directory: DataDirectory;

beforeEach(() => {
  temp = tempDir();
  directory = new DataDirectory(temp.path);
  mkdirSync(directory.images);
  mkdirSync(directory.logs);
});

afterEach(() => {
  temp[Symbol.dispose]();
});

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const image = (date: string, camera: string, second: number, bytes: number): void =>
  write(
    `${directory.dateFolder(date)}/${camera}-${date}T10.00.${String(second).padStart(2, "0")}.000000.jpg`,
    "x".repeat(bytes),
  );

const days = (keeps = true): CatalogDay[] => readDays(directory, { today: "2021-09-25", keeps });

/** A day without protected images. */
const NONE = { images: 0, bytes: 0 };

describe("readDays", () => {
  test("counts images, bytes, cameras and events of each day", () => {
    image("2021-09-23", "Barn", 1, 10);
    image("2021-09-23", "Barn", 2, 20);
    image("2021-09-23", "Gate", 1, 5);
    image("2021-09-25", "Gate", 1, 7);
    write(
      directory.datedLog(20_210_923),
      "2021-09-23 08:00:00,000 ~ Starting imagehub\n2021-09-23 08:00:00,001 ~ Barn|Temp|7\n",
    );
    write(
      directory.eventLog,
      "2021-09-24 08:00:00,000 ~ Barn|Temp|8\n2021-09-25 08:00:00,001 ~ Barn|Temp|9\nno line\n2021-09-25 0",
    );
    expect(days()).toEqual([
      {
        date: "2021-09-23",
        images: 3,
        bytes: 35,
        foreign: 0,
        unreadable: 0,
        cameras: [
          { name: "Barn", images: 2, bytes: 30 },
          { name: "Gate", images: 1, bytes: 5 },
        ],
        events: 1,
        protected: NONE,
        pruned: [],
      },
      {
        date: "2021-09-24",
        images: 0,
        bytes: 0,
        foreign: 0,
        unreadable: 0,
        cameras: [],
        events: 1,
        protected: NONE,
        pruned: [],
      },
      {
        date: "2021-09-25",
        images: 1,
        bytes: 7,
        foreign: 0,
        unreadable: 0,
        cameras: [{ name: "Gate", images: 1, bytes: 7 }],
        events: 1,
        protected: NONE,
        pruned: [],
      },
    ]);
  });

  test("tells what was deleted of a day, also of one that is gone", () => {
    image("2021-09-23", "Barn", 1, 10);
    write(
      directory.eventLog,
      [
        "2021-09-24 01:00:00,000 ~ Pruned 2 days, 7 images, 1.0 MB: days (2021-09-20 to 2021-09-21)",
        "2021-09-24 02:00:00,000 ~ Pruned 1 day, 3 images, 1.0 MB: min_free (2021-09-23 until 14:00)",
        "2021-09-24 02:30:00,000 ~ Pruned 4 days, 3 images, 1.0 MB: days (2021-09-20 to 2021-09-22, 2021-09-23 until 15:00)",
        "2021-09-24 03:00:00,000 ~ Pruned 1 event log, 9 bytes: event_days (2021-01-01)",
        "2021-09-24 04:00:00,000 ~ Barn|Pruned 1 day, 3 images, 1.0 MB: min_free (2021-09-22)\n",
      ].join("\n"),
    );
    const found = days();
    expect(found.map(({ date }) => date)).toEqual([
      "2021-01-01",
      "2021-09-20",
      "2021-09-21",
      "2021-09-22",
      "2021-09-23",
      "2021-09-24",
    ]);
    const reasons = found.map(({ pruned }) => pruned.map(({ reason, until }) => [reason, until]));
    expect(reasons).toEqual([
      [["event_days", undefined]],
      [
        ["days", undefined],
        ["days", undefined],
      ],
      [
        ["days", undefined],
        ["days", undefined],
      ],
      [["days", undefined]],
      [
        ["min_free", "14:00"],
        ["days", "15:00"],
      ],
      [],
    ]);
    expect(found[1]).toMatchObject({
      images: 0,
      pruned: [{ at: "2021-09-24 01:00:00", count: 7 }, { at: "2021-09-24 02:30:00" }],
    });
  });

  test("counts protected images, also of days that are gone from images", () => {
    image("2021-09-23", "Barn", 1, 10);
    for (const date of ["2021-09-22", "2021-09-23"])
      write(`${directory.keptFolder(date)}/Barn-${date}T10.00.01.000000.jpg`, "x".repeat(10));
    write(`${directory.keptFolder("2021-09-23")}/notes.txt`, "xx");
    symlinkSync("2021-09-22", directory.keptFolder("none"));
    expect(days()).toMatchObject([
      { date: "2021-09-22", images: 0, protected: { images: 1, bytes: 10 } },
      { date: "2021-09-23", images: 1, protected: { images: 1, bytes: 10 } },
    ]);
  });

  test("leaves out what is not the hub's, and says how much that is", () => {
    image("2021-09-23", "Barn", 1, 10);
    write(`${directory.images}/holidays/a-2021-09-23T10.00.00.000000.jpg`, "xx");
    write(`${directory.images}/2021-09-22`, "a file");
    write(`${directory.dateFolder("2021-09-23")}/notes.txt`, "xx");
    const path = `${directory.dateFolder("2021-09-23")}/Link-2021-09-23T10.00.00.000000.jpg`;
    symlinkSync("/etc/passwd", path);
    mkdirSync(path.replace("Link", "Folder"));
    expect(days()).toMatchObject([{ date: "2021-09-23", images: 1, bytes: 10, foreign: 3 }]);
  });

  test("does not wait for a pipe in the place of a log", () => {
    Bun.spawnSync(["mkfifo", directory.eventLog]);
    expect(() => days()).toThrow(directory.eventLog);
  });

  test("has nothing to say of a hub that has stored nothing", () => {
    rmSync(directory.logs, { recursive: true });
    expect(days()).toEqual([]);
    expect(existsSync(directory.own)).toBe(false);
  });
});

const kept = (): string => join(directory.own, "days.json");

describe("a summary that was kept", () => {
  forEachTest(
    () => new Later(),
    () => undefined,
  );

  test("is used while its folder is as it was, for a day that is over", () => {
    image("2021-09-23", "Barn", 1, 10);
    image("2021-09-25", "Barn", 1, 10);
    days();
    expect(readdirSync(directory.own)).toEqual(["days.json"]);
    expect(readFileSync(kept(), "utf8")).not.toContain("2021-09-25");
    const file = `${directory.dateFolder("2021-09-23")}/Barn-2021-09-23T10.00.01.000000.jpg`;
    // The size of a file is no change of its folder, so this shows where the number comes from.
    truncateSync(file, 3);
    expect(days()[0]).toMatchObject({ bytes: 10 });
    rmSync(kept());
    expect(days()[0]).toMatchObject({ bytes: 3 });
  });

  test.each([
    ["an image is removed", () => rmSync(directory.dateFolder("2021-09-23"), { recursive: true })],
    ["it is cut off", () => truncateSync(kept(), 20)],
    ["it is of another form", () => writeFileSync(kept(), '{"version":0}')],
    [
      "it is another day's",
      () => writeFileSync(kept(), readFileSync(kept(), "utf8").replaceAll("-09-23", "-09-22")),
    ],
  ])("is made anew where %s", (_, change) => {
    image("2021-09-23", "Barn", 1, 10);
    days();
    change();
    image("2021-09-23", "Barn", 2, 20);
    const found = days()[0];
    rmSync(directory.own, { recursive: true });
    expect(found).toEqual(days()[0]);
    expect(found).toMatchObject({ date: "2021-09-23" });
  });

  test("is not kept of a folder that has changed just now", () => {
    setSystemTime();
    image("2021-09-23", "Barn", 1, 10);
    days();
    expect(existsSync(kept())).toBe(false);
  });

  test("is not written where that is not wished", () => {
    image("2021-09-23", "Barn", 1, 10);
    expect(days(false)).toHaveLength(1);
    expect(existsSync(directory.own)).toBe(false);
  });

  test("is done without on a file system that cannot be written", () => {
    image("2021-09-23", "Barn", 1, 10);
    write(directory.own, "a file in its place");
    expect(days()).toHaveLength(1);
  });
});
