import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { archiveDays, type RoundOptions } from "../../src/archive/round.ts";
import { verifyDay } from "../../src/archive/verify.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { restoreDay } from "../../src/archive/restore.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { LoopDisk } from "../faults/disk.ts";
import { JPEG, judge, nameOf, Place, run, TODAY } from "../support/archive/days.ts";
import { ExfatDisk, lacksMount } from "../support/machine/file-system.ts";

setDefaultTimeout(60_000);

const DAY = "2021-09-23";
const MARK = ".imagehub-archive";
const COUNT = 40;

/** A place whose archive is on a small disk of its own. */
class PlaceWithDisk implements Disposable {
  readonly disk = new LoopDisk({ bytes: 16 * 2 ** 20 });
  readonly place = new Place(this.disk.path);

  constructor(format: "tree" | "tar") {
    this.place.format = format;
    for (let index = 0; index < COUNT; index++) this.place.image(DAY, `Camera-${index}`);
  }

  async archive(options: Partial<RoundOptions> = {}) {
    const { settings, directory } = this.place;
    return await archiveDays(settings, directory, { today: TODAY, ...options });
  }

  [Symbol.dispose](): void {
    this.place[Symbol.dispose]();
    this.disk[Symbol.dispose]();
  }
}

const hidden = (path: string): string[] =>
  readdirSync(path).filter((name) => name.startsWith(".") && name !== MARK);

describe.skipIf(lacksMount()).each(["tree", "tar"] as const)(
  "a damaged file in the data directory, archived as %s",
  (format) => {
    test("is told, and the rest of its day is archived and verified", async () => {
      using disk = new LoopDisk({ bytes: 16 * 2 ** 20 });
      using place = new Place();
      place.format = format;
      const directory = new DataDirectory(join(disk.path, "data"));
      for (const folder of directory.folders) mkdirSync(folder, { recursive: true });
      mkdirSync(directory.dateFolder(DAY));
      const names = Array.from({ length: COUNT }, (_, index) => nameOf(DAY, `Camera-${index}`));
      for (const name of names) writeFileSync(join(directory.dateFolder(DAY), name), JPEG);
      const damaged = join(directory.dateFolder(DAY), names[5]!);
      disk.damage(damaged);
      const archived = await archiveDays(place.settings, directory, { today: TODAY });
      expect(archived.problems).toEqual([
        expect.stringContaining(`images/${DAY}/${names[5]} cannot be read: `),
      ]);
      expect(archived.files).toBe(COUNT - 1);
      const checked = await verifyDay({ directory: "" }, directory, DAY);
      expect(checked.problems).toEqual([expect.stringContaining(names[5]!)]);
      expect(checked.files).toBe(COUNT - 1);
    });
  },
);

describe.skipIf(lacksMount()).each(["tree", "tar"] as const)("an archive of form %s", (format) => {
  test("on a disk that is full: the day is finished when there is room", async () => {
    using on = new PlaceWithDisk(format);
    on.place.image("2021-09-24", "Barn");
    await on.archive({ dates: ["2021-09-22"] });
    on.disk.fill();
    const full = await on.archive();
    expect(full).toMatchObject({ days: [], files: 0 });
    // Other days would fail alike.
    expect(full.problems).toEqual([expect.stringContaining("no space left on the device")]);
    expect(hidden(on.disk.path)).toEqual([]);
    on.disk.makeRoom();
    expect(await on.archive()).toMatchObject({ days: [DAY, "2021-09-24"], problems: [] });
    expect(judge(on.disk.path)).toHaveLength(COUNT + 1);
  });

  test("on a disk that becomes full on the way", async () => {
    using on = new PlaceWithDisk(format);
    for (let index = 0; index < 250; index++) on.place.image(DAY, `More-${index}`);
    const full = await on.archive();
    expect(full.problems).toEqual([expect.stringContaining("no space left on the device")]);
    expect([judge(on.disk.path), hidden(on.disk.path)]).toEqual([[], []]);
    for (let index = 0; index < 250; index++)
      rmSync(join(on.place.directory.dateFolder(DAY), nameOf(DAY, `More-${index}`)));
    expect(await on.archive()).toMatchObject({ days: [DAY], problems: [] });
    expect(judge(on.disk.path)).toHaveLength(COUNT);
  });

  test("on a disk that is read-only", async () => {
    using on = new PlaceWithDisk(format);
    await on.archive({ dates: ["2021-09-22"] });
    on.disk.remount("ro");
    const refused = await on.archive();
    expect(refused).toMatchObject({ days: [], files: 0 });
    expect(refused.problems).toEqual([expect.stringContaining("read-only file system")]);
    on.disk.remount("rw");
    expect(await on.archive()).toMatchObject({ days: [DAY], files: COUNT, problems: [] });
  });

  test("on a disk that is not mounted: nothing is written to its mount point", async () => {
    using on = new PlaceWithDisk(format);
    await on.archive({ dates: ["2021-09-22"] });
    on.disk.unmount();
    const refused = await on.archive();
    expect(refused.problems).toEqual([
      expect.stringContaining("no disk of its own is mounted there"),
    ]);
    expect(readdirSync(on.disk.path)).toEqual([]);
    on.disk.mount();
    expect(await on.archive()).toMatchObject({ days: [DAY], files: COUNT, problems: [] });
  });

  test("on a disk that goes away on the way", async () => {
    using on = new PlaceWithDisk(format);
    const onProgress = (_: string, done: number): void => {
      if (done === 20) run("/", "umount", "--lazy", on.disk.path);
    };
    const gone = await on.archive({ onProgress });
    expect(gone.problems).toEqual([expect.stringContaining("is not on its disk any more")]);
    expect(readdirSync(on.disk.path)).toEqual([]);
    on.disk.mount();
    expect([judge(on.disk.path), hidden(on.disk.path)]).toEqual([[], []]);
    expect(existsSync(join(on.disk.path, MARK))).toBe(true);
    expect(await on.archive()).toMatchObject({ days: [DAY], problems: [] });
    expect(judge(on.disk.path)).toHaveLength(COUNT);
  });

  test("on a disk that fails: nothing counts, and the day is finished when it works", async () => {
    using on = new PlaceWithDisk(format);
    await on.archive({ dates: ["2021-09-22"] });
    on.disk.cutPower();
    const { days, problems } = await on.archive();
    expect(days).toEqual([]);
    expect(problems.length).toBeGreaterThan(0);
    on.disk.powerOn();
    expect(await on.archive()).toMatchObject({ days: [DAY], problems: [] });
    expect(judge(on.disk.path)).toHaveLength(COUNT);
  });
});

describe.skipIf(lacks("exfat") || lacksMount())("an archive on a stick with exFAT", () => {
  test("is made and read, but for names that exFAT refuses; those are in a tar", async () => {
    using disk = new ExfatDisk();
    using place = new Place(disk.path);
    const archive = async () =>
      await archiveDays(place.settings, place.directory, { today: TODAY });
    place.image(DAY, "Barn");
    place.log(DAY);
    expect(await archive()).toMatchObject({ days: [DAY], files: 2, problems: [] });
    place.image(DAY, "Why?");
    expect(await archive()).toMatchObject({
      days: [],
      problems: [
        `Cannot archive ${DAY}: images/${DAY}/${nameOf(DAY, "Why?")} cannot have this name in the archive (ENOENT): with archive.format tar, any name can be archived`,
      ],
    });
    expect(hidden(disk.path)).toEqual([]);
    place.format = "tar";
    expect(await archive()).toMatchObject({ days: [DAY], files: 1, problems: [] });
    expect(judge(disk.path)).toHaveLength(3);
    rmSync(place.directory.dateFolder(DAY), { recursive: true });
    const restored = await restoreDay(place.archive, place.directory, DAY);
    expect(restored).toMatchObject({ files: 2, same: 1, problems: [] });
  });
});
