import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { Archive } from "../../src/archive/archive.ts";
import { archiveDays } from "../../src/archive/round.ts";
import { ArchiveRoot } from "../../src/archive/root.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { LoopDisk } from "../faults/disk.ts";
import { Place, run, TODAY } from "../support/archive/days.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { lacksMount } from "../support/machine/file-system.ts";

const SMALL = { bytes: 16 * 2 ** 20 };

let place: Place;
forEachTest(
  () => new Place(),
  (made) => (place = made),
);

const MARK = ".imagehub-archive";
const another = () => new DataDirectory(join(place.path, "other"));
const open = (fstab?: string) => ArchiveRoot.openToWrite(place.archive, place.directory, fstab);

const mark = (): string => readFileSync(join(place.archive, MARK), "utf8");

/** Opens the archive as that of another path. @returns how it was called before */
function openFor(path: string): string | undefined {
  using root = ArchiveRoot.openToWrite(place.archive, new DataDirectory(path));
  return root.formerOwner;
}

/** Copies the data directory, with all that is in it. */
function copy(to: string): string {
  const path = join(place.path, to);
  run("/", "cp", "-a", place.directory.path, path);
  return path;
}

describe("ArchiveRoot", () => {
  test("opens a marked directory, and removes the unfinished file of an earlier run", () => {
    using root = open();
    place.put(join(place.archive, root.unfinished), "x");
    // That of a hub whose data directory this is by mistake.
    place.put(join(place.archive, ".incoming-1-2-3"), "x");
    using again = open();
    expect(root.isMarked && again.isMarked).toBe(true);
    expect(readdirSync(place.archive).toSorted()).toEqual([MARK, ".incoming-1-2-3"]);
    expect(again.unfinished).not.toBe(root.unfinished);
  });

  test("refuses an unmarked directory on the disk of the data or of the system", () => {
    rmSync(join(place.archive, MARK));
    expect(open).toThrow(
      `${place.archive} is no archive yet, and no disk of its own is mounted there: mount the disk that belongs there, or make it an archive with: imagehub archive --init`,
    );
    expect(readdirSync(place.archive)).toEqual([]);
  });

  test("refuses a directory that is missing, and makes none", () => {
    rmSync(place.archive, { recursive: true });
    expect(open).toThrow(`The archive ${place.archive} is not there: mount its disk`);
    expect(existsSync(place.archive)).toBe(false);
    place.put(place.archive, "a file");
    expect(open).toThrow("is not there");
  });

  test("says that none is set", () => {
    place.archive = "";
    expect(open).toThrow("There is no archive: set hub.archive.directory in imagehub.yaml");
  });

  test("refuses a directory whose disk /etc/fstab names and that is not mounted", () => {
    const fstab = join(place.path, "fstab");
    place.put(fstab, `/dev/sdz1 ${place.archive} ext4 nofail 0 2\n`);
    expect(() => open(fstab)).toThrow(
      `The disk of the archive ${place.archive} is missing: mount it with: sudo mount ${place.archive}`,
    );
    // Also through a link.
    const link = join(place.path, "link");
    symlinkSync(place.archive, link);
    expect(() => ArchiveRoot.open(link, place.directory, fstab)).toThrow("is missing: mount it");
  });

  test("refuses one that is not apart from the data directory", () => {
    for (const path of [place.directory.path, place.directory.images, place.path]) {
      place.archive = path;
      expect(open).toThrow("must be apart from the data directory");
    }
    const link = join(place.path, "link");
    symlinkSync(place.directory.path, link);
    place.archive = link;
    expect(open).toThrow("must be apart from the data directory");
  });

  test("notices that another directory is at its path", () => {
    using root = open();
    root.check();
    run(place.path, "mv", place.archive, `${place.archive}-away`);
    expect(() => root.check()).toThrow("is not there");
    mkdirSync(place.archive);
    expect(() => root.check()).toThrow("is not on its disk any more: mount the disk again");
  });
});

describe("An archive of another data directory", () => {
  test("is refused, and can be taken over", () => {
    // A mark that names none becomes that of the first.
    open()[Symbol.dispose]();
    const openOther = () => ArchiveRoot.openToWrite(place.archive, another());
    expect(openOther).toThrow(
      `${place.archive} is the archive of ${hostname()}:${place.directory.path}, and this is ${hostname()}:${place.path}/other: give each hub an archive of its own; if only the name or the path is new, take it over with: imagehub archive --init`,
    );
    // No answer of it lets an image be deleted.
    const archive = new Archive(place.settings, another());
    expect(archive.look().problem).toContain("is the archive of");
    expect(() => archive.open("2021-09-23")).toThrow("is the archive of");
    expect(ArchiveRoot.init(place.archive, another())).toBe(true);
    openOther()[Symbol.dispose]();
    expect(open).toThrow("is the archive of");
  });

  test("is the same under another path to the same directory", () => {
    open()[Symbol.dispose]();
    const link = join(place.path, "link");
    symlinkSync(place.directory.path, link);
    ArchiveRoot.openToWrite(place.archive, new DataDirectory(link))[Symbol.dispose]();
  });
});

describe("An archive of a data directory that has another name by now", () => {
  test("is known by its key", () => {
    open()[Symbol.dispose]();
    const moved = join(place.path, "moved");
    renameSync(place.directory.path, moved);
    expect(new Archive(place.settings, new DataDirectory(moved)).look().problem).toBeUndefined();
    expect(openFor(moved)).toBe(`${hostname()}:${place.directory.path}`);
    expect(mark()).toContain(`Data directory: ${hostname()}:${moved}\n`);
    expect(openFor(moved)).toBeUndefined();
  });

  test("is refused without the key, also if the mark is that of an earlier version", () => {
    open()[Symbol.dispose]();
    rmSync(place.directory.own, { recursive: true });
    expect(() => openFor(copy("copy"))).toThrow("is the archive of");
    // Under its own name it is accepted, and the key is known from then on.
    open()[Symbol.dispose]();
    openFor(copy("later"));
  });

  test("belongs to the copy that takes it first, and the others are refused", () => {
    open()[Symbol.dispose]();
    const [first, second] = [copy("first"), copy("second")];
    openFor(first);
    for (const path of [second, place.directory.path])
      expect(() => openFor(path)).toThrow(`is the archive of ${hostname()}:${first}, and this is`);
  });

  test("is not that of a copy once the directory itself has archived a day", async () => {
    open()[Symbol.dispose]();
    const path = copy("copy");
    place.image("2021-09-23", "Barn");
    const round = async () =>
      await archiveDays(place.settings, place.directory, { today: TODAY, log });
    const lines: string[] = [];
    const log = { info: () => undefined, warn: (line: string) => void lines.push(line) };
    expect((await round()).days).toHaveLength(1);
    expect(() => openFor(path)).toThrow("is the archive of");
    const before = mark();
    await round();
    expect([mark(), lines]).toEqual([before, []]);
    const data = join(place.path, "moved");
    renameSync(place.directory.path, data);
    await archiveDays(place.settings, new DataDirectory(data), { today: TODAY, log });
    expect(lines).toEqual([
      `The archive ${place.archive} was that of ${hostname()}:${place.directory.path}, which this data directory was called before: now it is that of ${hostname()}:${data}`,
    ]);
  });

  test("is not that of a copy either if the round ends in the middle", async () => {
    open()[Symbol.dispose]();
    const path = copy("copy");
    for (const date of ["2021-09-22", "2021-09-23"]) place.image(date, "Barn");
    let isLater = false;
    const { days, isStopped } = await archiveDays(place.settings, place.directory, {
      today: TODAY,
      onProgress: (date) => (isLater = date === "2021-09-23"),
      shouldStop: () => isLater,
    });
    expect([days, isStopped]).toEqual([["2021-09-22"], true]);
    expect(() => openFor(path)).toThrow("is the archive of");
  });

  test("may be one of several that take turns", async () => {
    const disks = ["a", "b"].map((name) => join(place.path, name));
    for (const [second, disk] of [...disks, ...disks].entries()) {
      place.archive = disk;
      ArchiveRoot.init(disk, place.directory);
      place.image("2021-09-23", "Barn", second);
      await archiveDays(place.settings, place.directory, { today: TODAY });
    }
    const moved = join(place.path, "moved");
    renameSync(place.directory.path, moved);
    for (place.archive of disks) openFor(moved);
    expect(readFileSync(`${moved}/.imagehub/archive-keys`, "utf8").split("\n")).toHaveLength(3);
  });

  test("needs no place for the key", () => {
    place.put(place.directory.own, "a file in its place");
    open()[Symbol.dispose]();
    open()[Symbol.dispose]();
  });
});

describe("ArchiveRoot.init", () => {
  test("marks a directory, and makes it, but not the one above", () => {
    const init = () => ArchiveRoot.init(place.archive, place.directory);
    rmSync(place.archive, { recursive: true });
    expect(init()).toBe(true);
    expect(readFileSync(join(place.archive, MARK), "utf8")).toMatch(
      /^This directory is an archive of imagehub[^]*\nData directory: .+\n[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\n$/,
    );
    expect(init()).toBe(false);
    place.archive = join(place.path, "none/archive");
    expect(init).toThrow("is not there");
    expect(existsSync(join(place.path, "none"))).toBe(false);
  });

  test("makes nothing where a disk is missing", () => {
    const fstab = join(place.path, "fstab");
    place.put(fstab, `/dev/sdz1 ${place.path} ext4 nofail 0 2\n`);
    place.archive = join(place.path, "new");
    expect(() => ArchiveRoot.init(place.archive, place.directory, fstab)).toThrow("is missing");
    expect(existsSync(place.archive)).toBe(false);
  });
});

describe.skipIf(lacksMount())("ArchiveRoot on a disk of its own", () => {
  test("marks the disk by itself, and nothing below its mount point", () => {
    using disk = new LoopDisk(SMALL);
    place.archive = disk.path;
    {
      using root = open();
      expect(root.isMarked).toBe(true);
    }
    disk.unmount();
    expect(open).toThrow("no disk of its own is mounted there");
    expect(readdirSync(disk.path)).toEqual([]);
    disk.mount();
    expect(existsSync(join(disk.path, MARK))).toBe(true);
  });

  test("does not mark an empty mount point that lies on a third disk", () => {
    using disk = new LoopDisk(SMALL);
    place.archive = join(disk.path, "nas");
    mkdirSync(place.archive);
    expect(open).toThrow("no disk of its own is mounted there");
    // As systemd does with ReadWritePaths=.
    run("/", "mount", "--bind", place.archive, place.archive);
    try {
      expect(open).toThrow("no disk of its own is mounted there");
    } finally {
      run("/", "umount", place.archive);
    }
    expect(readdirSync(place.archive)).toEqual([]);
    expect(ArchiveRoot.init(place.archive, place.directory)).toBe(true);
    open()[Symbol.dispose]();
  });

  test("does not mark a directory that is only bound to its place", () => {
    rmSync(join(place.archive, MARK));
    // As systemd does with ReadWritePaths=.
    run("/", "mount", "--bind", place.archive, place.archive);
    try {
      expect(open).toThrow("no disk of its own is mounted there");
      expect(readdirSync(place.archive)).toEqual([]);
    } finally {
      run("/", "umount", place.archive);
    }
  });

  test("does not mark a directory that is on the disk of the data", () => {
    using disk = new LoopDisk(SMALL);
    using other = new Place(join(disk.path, "archive"));
    run("/", "cp", "-r", other.directory.path, join(disk.path, "data"));
    mkdirSync(other.archive);
    const data = new DataDirectory(join(disk.path, "data"));
    expect(() => ArchiveRoot.openToWrite(other.archive, data)).toThrow("no archive yet");
    expect(readdirSync(other.archive)).toEqual([]);
  });

  test("notices that its disk was unmounted, or that another one covers it", () => {
    using disk = new LoopDisk(SMALL);
    using other = new LoopDisk(SMALL);
    place.archive = disk.path;
    using root = open();
    run("/", "mount", "--bind", other.path, disk.path);
    expect(() => root.check()).toThrow("is not on its disk any more");
    run("/", "umount", disk.path);
    root.check();
    run("/", "umount", "--lazy", disk.path);
    expect(() => root.check()).toThrow("is not on its disk any more");
    expect(readdirSync(disk.path)).toEqual([]);
  });
});
