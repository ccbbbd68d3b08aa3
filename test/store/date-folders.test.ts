import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Calendar, type LocalTime } from "../../src/protocol/calendar.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { DataGuard } from "../../src/store/data-guard.ts";
import { DateFolders, type Permit } from "../../src/store/date-folders.ts";
import { createShared } from "../../src/shared/memory.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { FakeClock, LOS_ANGELES, UTC, utcMicros } from "../support/machine/fake-clock.ts";
import { StoreThread } from "../support/store/store-thread.ts";
import { tempDir } from "../support/machine/temp.ts";

function at(iso: string, zone = UTC): LocalTime {
  return new Calendar(FakeClock.at(iso, zone)).local(utcMicros(iso));
}

const NOON = at("2026-11-22T12:00:00");
const DAY_AFTER = at("2026-11-23T12:00:00");

/** The date folders of a data directory. */
function foldersIn(data: string, imagesMax: number, shared = createShared(1)): DateFolders {
  return new DateFolders(guardAt(data, shared), imagesMax, shared);
}

/** The folder of a day there, made before the hub makes it. */
function makeFolder(data: string, time: LocalTime): string {
  const folder = join(data, "images", time.date);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function reserveTimes(folders: DateFolders, times: number, time = NOON): Permit[] {
  return Array.from({ length: times }, () => folders.reserve(time));
}

test("path is the local date when that is another than in UTC", () => {
  const shared = createShared(1);
  const guard = new DataGuard(new DataDirectory("/data"), shared);
  const folders = new DateFolders(guard, 1, shared);
  expect(folders.path(at("2026-11-22T07:59:59", LOS_ANGELES))).toBe("/data/images/2026-11-21");
  expect(folders.path(at("2026-11-22T08:00:00", LOS_ANGELES))).toBe("/data/images/2026-11-22");
});

describe("reserve", () => {
  test("makes the folder and those above it in the data directory when they are not there", () => {
    using temp = tempDir();
    foldersIn(temp.path, 1).reserve(NOON);
    expect(readdirSync(join(temp.path, "images"))).toEqual(["2026-11-22"]);
  });

  test("grants as many as may be and says once that there are no more when the folder fills up", () => {
    using temp = tempDir();
    const folders = foldersIn(temp.path, 3);
    expect(reserveTimes(folders, 6)).toEqual([
      "granted",
      "granted",
      "granted",
      "firstOver",
      "over",
      "over",
    ]);
    expect(reserveTimes(folders, 2, DAY_AFTER)).toEqual(["granted", "granted"]);
    expect(reserveTimes(folders, 1)).toEqual(["over"]);
  });

  test("grants nothing when the cap is 0", () => {
    using temp = tempDir();
    expect(reserveTimes(foldersIn(temp.path, 0), 2)).toEqual(["firstOver", "over"]);
  });

  test("counts on from the images that are there when the hub was started again", () => {
    using temp = tempDir();
    const folder = makeFolder(temp.path, NOON);
    for (const name of ["a.jpg", "b.png", ".incoming-1-2-3", ".hidden.jpg", "notes.txt"])
      writeFileSync(join(folder, name), "");
    const folders = foldersIn(temp.path, 4);
    expect(reserveTimes(folders, 3)).toEqual(["granted", "granted", "firstOver"]);
  });

  test("grants nothing when the folder had more than the cap before", () => {
    using temp = tempDir();
    const folder = makeFolder(temp.path, NOON);
    for (let index = 0; index < 5; index++) writeFileSync(join(folder, `${index}.jpg`), "");
    const folders = foldersIn(temp.path, 4);
    expect(reserveTimes(folders, 2)).toEqual(["firstOver", "over"]);
    folders.release(NOON);
    expect(reserveTimes(folders, 1)).toEqual(["over"]);
  });

  test("shares its count and its word when there are two over the same memory", () => {
    using temp = tempDir();
    const shared = createShared(1);
    const one = foldersIn(temp.path, 3, shared);
    const other = foldersIn(temp.path, 3, shared);
    const permits = [one, other, one, other, one].map((folders) => folders.reserve(NOON));
    expect(permits).toEqual(["granted", "granted", "granted", "firstOver", "over"]);
  });

  test("finds its days again when the clock is set back and forth", () => {
    using temp = tempDir();
    const folders = foldersIn(temp.path, 1);
    const days = ["2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"].map((day) =>
      at(`${day}T12:00:00`),
    );
    expect(days.map((day) => folders.reserve(day))).toEqual([
      "granted",
      "granted",
      "granted",
      "granted",
    ]);
    expect(days.map((day) => folders.reserve(day))).toEqual(Array(4).fill("firstOver"));
    expect(days.toReversed().map((day) => folders.reserve(day))).toEqual(Array(4).fill("over"));
  });

  test("reads a day anew when more days than are kept came since", () => {
    using temp = tempDir();
    const folders = foldersIn(temp.path, 2);
    const days = Array.from({ length: 12 }, (_, day) => at(`2026-11-${10 + day}T12:00:00`));
    for (const day of days) {
      expect(folders.reserve(day)).toBe("granted");
      writeFileSync(join(folders.path(day), "one.jpg"), "");
    }
    expect(days.map((day) => folders.reserve(day))).toEqual(Array(12).fill("granted"));
    for (const day of days) writeFileSync(join(folders.path(day), "two.jpg"), "");
    expect(days.map((day) => folders.reserve(day))).toEqual(Array(12).fill("firstOver"));
  });

  test("grants again when the folder that was full is removed", () => {
    using temp = tempDir();
    const folders = foldersIn(temp.path, 1);
    expect(reserveTimes(folders, 2)).toEqual(["granted", "firstOver"]);
    rmSync(folders.path(NOON), { recursive: true });
    expect(reserveTimes(folders, 3)).toEqual(["granted", "firstOver", "over"]);
    expect(existsSync(folders.path(NOON))).toBe(true);
  });

  test("throws and grants later when a file stands where the folder should", () => {
    using temp = tempDir();
    const folders = foldersIn(temp.path, 1);
    mkdirSync(join(temp.path, "images"));
    writeFileSync(folders.path(NOON), "");
    expect(() => folders.reserve(NOON)).toThrow("EEXIST");
    rmSync(folders.path(NOON));
    expect(folders.reserve(NOON)).toBe("granted");
  });
});

test("reserve counts each place once when two threads take them at once", async () => {
  using temp = tempDir();
  const imagesMax = 70_000;
  const start = { data: temp.path, imagesMax, shared: createShared(1) };
  using one = await StoreThread.start(start);
  using other = await StoreThread.start(start);
  const permits = (await Promise.all([one.reserve(50_000), other.reserve(50_000)])).flat();
  const count = (permit: Permit) => permits.filter((given) => given === permit).length;
  expect([count("granted"), count("firstOver"), count("over")]).toEqual([
    imagesMax,
    1,
    100_000 - imagesMax - 1,
  ]);
});

describe("release", () => {
  test("makes room for another when a place was not used", () => {
    using temp = tempDir();
    const folders = foldersIn(temp.path, 1);
    expect(folders.reserve(NOON)).toBe("granted");
    folders.release(NOON);
    expect(reserveTimes(folders, 2)).toEqual(["granted", "firstOver"]);
  });

  test("changes nothing when the day is not known", () => {
    using temp = tempDir();
    const folders = foldersIn(temp.path, 1);
    folders.release(NOON);
    expect(reserveTimes(folders, 2)).toEqual(["granted", "firstOver"]);
  });
});

describe("forget", () => {
  test("begins the count anew when the folder is gone", () => {
    using temp = tempDir();
    const folders = foldersIn(temp.path, 2);
    expect(reserveTimes(folders, 2)).toEqual(["granted", "granted"]);
    rmSync(folders.path(NOON), { recursive: true });
    folders.forget(NOON);
    expect(reserveTimes(folders, 3)).toEqual(["granted", "granted", "firstOver"]);
  });

  test("keeps the count when another writer has made the folder again", () => {
    using temp = tempDir();
    const folders = foldersIn(temp.path, 3);
    expect(reserveTimes(folders, 2)).toEqual(["granted", "granted"]);
    rmSync(folders.path(NOON), { recursive: true });
    // Both writers find their folder gone; the first begins anew, and its image does not stand yet.
    folders.forget(NOON);
    expect(folders.reserve(NOON)).toBe("granted");
    folders.forget(NOON);
    expect(reserveTimes(folders, 3)).toEqual(["granted", "granted", "firstOver"]);
  });
});
