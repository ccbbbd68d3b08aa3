import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type RestoreOptions, restoreDay } from "../../src/archive/restore.ts";
import { archiveDays } from "../../src/archive/round.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { LoopDisk } from "../faults/disk.ts";
import { JPEG, nameOf, Place, run, TODAY } from "../support/archive/days.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { lacksMount } from "../support/machine/file-system.ts";

const DAY = "2021-09-23";
const ALL = { files: 0, bytes: 0, same: 0, problems: [], isStopped: false };

let place: Place;
forEachTest(
  () => new Place(),
  (made) => (place = made),
);

const restore = async (options?: RestoreOptions) =>
  await restoreDay(place.archive, place.directory, DAY, options);

/** Why nothing is restored. */
const refused = async (options?: RestoreOptions): Promise<string> =>
  await restore(options).then(
    () => "",
    (error: Error) => error.message,
  );

const pathOf = (camera: string): string =>
  join(place.directory.dateFolder(DAY), nameOf(DAY, camera));
const log = (): string => place.directory.datedLog(20_210_923);

/** Archives two images and a log. */
async function fill(): Promise<void> {
  place.image(DAY, "Barn");
  place.image(DAY, "Gate", 0, "another");
  place.log(DAY);
  utimesSync(pathOf("Barn"), 1_632_391_200, 1_632_391_200);
  await archiveDays(place.settings, place.directory, { today: TODAY });
}

describe.each(["tree", "tar"] as const)("restoreDay with format %s", (format) => {
  forEachTest(
    () => ({ [Symbol.dispose]: () => undefined }),
    () => (place.format = format),
  );

  test("brings all of a day back", async () => {
    await fill();
    run(place.path, "cp", "-a", place.directory.path, "before");
    rmSync(place.directory.dateFolder(DAY), { recursive: true });
    rmSync(place.directory.logs, { recursive: true });
    expect(await restore()).toEqual({ ...ALL, files: 3, bytes: JPEG.byteLength + 7 + 38 });
    run(place.path, "diff", "-r", "before", place.directory.path);
    expect(statSync(pathOf("Barn")).mtimeMs).toBe(1_632_391_200_000);
    expect(await restore()).toEqual({ ...ALL, same: 3 });
  });

  test("brings back what is missing, and overwrites nothing", async () => {
    await fill();
    rmSync(pathOf("Barn"));
    writeFileSync(pathOf("Gate"), "changed");
    expect(await restore()).toEqual({
      ...ALL,
      files: 1,
      bytes: JPEG.byteLength,
      same: 1,
      problems: [
        `images/${DAY}/${nameOf(DAY, "Gate")} is stored with another content, which stays as it is`,
      ],
    });
    expect(readFileSync(pathOf("Gate"), "utf8")).toBe("changed");
    expect(readFileSync(pathOf("Barn"))).toEqual(JPEG);
  });

  test("gives no name to what is damaged in the archive", async () => {
    await fill();
    rmSync(pathOf("Barn"));
    const path = join(
      place.archive,
      format === "tree" ? `images/${DAY}/${nameOf(DAY, "Barn")}` : `${DAY}.tar`,
    );
    const bytes = readFileSync(path);
    bytes[10_000]! ^= 1;
    writeFileSync(path, bytes);
    const { files, problems } = await restore();
    expect(files).toBe(0);
    expect(problems).toEqual([
      `images/${DAY}/${nameOf(DAY, "Barn")} cannot be read from the archive: its content is not that of the manifest`,
    ]);
    expect(existsSync(pathOf("Barn"))).toBe(false);
    const names = readdirSync(place.directory.path).toSorted();
    expect(names).toEqual([".imagehub", "images", "logs"]);
  });

  test("says what it would do, and does nothing", async () => {
    await fill();
    rmSync(place.directory.dateFolder(DAY), { recursive: true });
    expect(await restore({ isDryRun: true })).toMatchObject({ files: 2, same: 1 });
    expect(existsSync(place.directory.dateFolder(DAY))).toBe(false);
  });

  test("continues where it was stopped", async () => {
    await fill();
    rmSync(place.directory.dateFolder(DAY), { recursive: true });
    let asked = 0;
    expect(await restore({ shouldStop: () => ++asked > 1 })).toMatchObject({
      files: 1,
      isStopped: true,
    });
    expect(await restore()).toMatchObject({ files: 1, same: 2, isStopped: false });
  });
});

test("restoreDay reports what is missing in the archive", async () => {
  await fill();
  rmSync(pathOf("Barn"));
  rmSync(join(place.archive, `images/${DAY}/${nameOf(DAY, "Barn")}`));
  expect((await restore()).problems).toEqual([
    `images/${DAY}/${nameOf(DAY, "Barn")} is missing in the archive`,
  ]);
});

test("restoreDay refuses a day that is not archived, and a tar that is cut off", async () => {
  expect(restore()).rejects.toThrow(`${DAY} is not in the archive ${place.archive}`);
  place.format = "tar";
  await fill();
  truncateSync(join(place.archive, `${DAY}.tar`), 2000);
  expect(restore()).rejects.toThrow("is cut off");
});

test("restoreDay does not take an empty mount point for an archive without the day", async () => {
  rmSync(join(place.archive, ".imagehub-archive"));
  expect(restore()).rejects.toThrow("is no archive yet, and no disk of its own is mounted there");
});

test("restoreDay needs no mark, so a copy of an archive is enough", async () => {
  await fill();
  rmSync(join(place.archive, ".imagehub-archive"));
  rmSync(log());
  expect(await restore()).toMatchObject({ files: 1, same: 2 });
});

describe.skipIf(lacksMount())("restoreDay", () => {
  test("restores to images on a disk of their own, and leaves nothing else there", async () => {
    await fill();
    using disk = new LoopDisk({ bytes: 256 * 2 ** 20 });
    rmSync(place.directory.images, { recursive: true });
    symlinkSync(disk.path, place.directory.images);
    expect(await restore()).toMatchObject({ files: 2, problems: [] });
    expect(readdirSync(join(disk.path, DAY)).toSorted()).toEqual([
      nameOf(DAY, "Barn"),
      nameOf(DAY, "Gate"),
    ]);
  });

  test("leaves room to a hub that stores meanwhile", async () => {
    await fill();
    using disk = new LoopDisk({ bytes: 32 * 2 ** 20 });
    rmSync(place.directory.images, { recursive: true });
    symlinkSync(disk.path, place.directory.images);
    // Of a small disk, a small part.
    expect(await restore({ isDryRun: true })).toMatchObject({ files: 2, problems: [] });
    const { bavail, bsize } = statfsSync(disk.path);
    const other = String(bavail * bsize - 1.2e6);
    Bun.spawnSync(["fallocate", "-l", other, join(disk.path, "other")]);
    const { files, problems } = await restore();
    expect([files, problems.length]).toEqual([0, 1]);
    expect(problems[0]).toMatch(
      /^[\d.]+ kB are needed, and 1\.\d MB more for the hub: only [\d.]+ MB are free$/,
    );
    expect(existsSync(join(disk.path, DAY))).toBe(false);
  });
});

test("restoreDay reads the archive of any hub", async () => {
  await fill();
  const moved = new DataDirectory(join(place.path, "moved"));
  mkdirSync(moved.images, { recursive: true });
  expect(await restoreDay(place.archive, moved, DAY)).toMatchObject({ files: 3, problems: [] });
});

test("restoreDay makes nothing where the disk of the data directory is missing", async () => {
  await fill();
  const { path, images } = place.directory;
  const fstab = join(place.path, "fstab");
  writeFileSync(fstab, `/dev/sdz1 ${path} ext4 nofail 0 2\n`);
  const missing = `The disk of the data directory ${path} is missing: mount it with: sudo mount ${path}`;
  expect(await refused({ fstab })).toBe(missing);
  expect(await refused({ fstab, isDryRun: true })).toBe(missing);
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true });
  expect(await refused()).toContain(`There is no ${images}: mount the disk`);
  expect(readdirSync(path)).toEqual([]);
});
