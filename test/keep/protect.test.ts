import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { protectedNames } from "../../src/catalog/kept.ts";
import { Protection, type ProtectionOptions } from "../../src/keep/protect.ts";
import { selectionsOf } from "../../src/keep/selection.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { clearLeftovers } from "../../src/store/leftovers.ts";
import { CHECKOUT, lacks } from "../../scripts/lib/available.ts";
import { LoopDisk } from "../faults/disk.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { ExfatDisk, lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { lacksStrace } from "../support/machine/strace.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(60_000);

const DAY = "2021-09-23";
const BARN = `Barn-Door-${DAY}T16.58.47.490303.jpg`;
const GATE = `Gate-${DAY}T16.58.47.490303.jpg`;

/** A data directory with two images of a day. */
function fill(path: string): DataDirectory {
  const directory = new DataDirectory(path);
  mkdirSync(directory.dateFolder(DAY), { recursive: true });
  mkdirSync(directory.logs);
  writeFileSync(join(directory.dateFolder(DAY), BARN), "barn door");
  writeFileSync(join(directory.dateFolder(DAY), GATE), "gate");
  return directory;
}

let directory: DataDirectory;

forEachTest(tempDir, ({ path }) => (directory = fill(path)));

const image = (name: string): string => join(directory.dateFolder(DAY), name);
const kept = (name: string): string => join(directory.keptFolder(DAY), name);

type Command = "protect" | "unprotect";

/** Protects or unprotects. @returns the numbers of images of each kind, and the problems */
function run(
  command: Command,
  wishes: readonly string[],
  options: ProtectionOptions = {},
): Record<string, unknown> & { readonly problems: string[] } {
  const { problems, ...amounts } = new Protection(directory, options)[command](
    selectionsOf(wishes) as Exclude<ReturnType<typeof selectionsOf>, string>,
  );
  const counts = Object.entries(amounts).filter(([, { images }]) => images > 0);
  return { ...Object.fromEntries(counts.map(([key, { images }]) => [key, images])), problems };
}

/** All files of the data directory with their contents. */
const tree = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory.path, { recursive: true, withFileTypes: true })
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
      .map((path) => [path, lstatSync(path).isFile() ? readFileSync(path, "utf8") : ""]),
  );

describe("protect", () => {
  test("gives an image a second name, once", () => {
    expect(run("protect", [BARN])).toEqual({ done: 1, problems: [] });
    expect(statSync(kept(BARN)).ino).toBe(statSync(image(BARN)).ino);
    expect(existsSync(kept(GATE))).toBe(false);
    expect(run("protect", [BARN])).toEqual({ already: 1, problems: [] });
    expect(run("protect", [DAY])).toEqual({ done: 1, already: 1, problems: [] });
  });

  test("takes only the cameras that are meant", () => {
    expect(run("protect", [DAY], { camera: "Barn*" })).toEqual({
      done: 1,
      problems: [],
    });
    expect(readdirSync(directory.keptFolder(DAY))).toEqual([BARN]);
    expect(run("protect", [DAY], { camera: "Zoo*" }).problems).toEqual([
      `No camera that matches Zoo* has images of ${DAY}`,
    ]);
  });

  test("names what is not there, and does the rest", () => {
    const none = `None-${DAY}T00.00.00.000000.jpg`;
    expect(run("protect", [none, BARN, "2021-09-22"])).toEqual({
      done: 1,
      problems: [
        `There are no images of 2021-09-22 in ${directory.images}`,
        `There is no image ${image(none)}`,
      ],
    });
    expect(existsSync(directory.keptFolder("2021-09-22"))).toBe(false);
  });

  test("takes only the hub's images, and follows no link", () => {
    writeFileSync(image("notes.txt"), "x");
    const link = GATE.replace("Gate", "Link");
    symlinkSync("/etc/passwd", image(link));
    expect(run("protect", [DAY])).toEqual({
      done: 2,
      problems: [`${image(link)} is no regular file: move it away`],
    });
    expect(readdirSync(directory.keptFolder(DAY)).toSorted()).toEqual([BARN, GATE]);
  });

  test.each([
    ["another content", () => writeFileSync(kept(BARN), "other dor"), "has another content than"],
    ["a link", () => symlinkSync(image(BARN), kept(BARN)), "is no regular file"],
    ["a folder", () => mkdirSync(kept(BARN)), "is no regular file"],
  ])("changes nothing where %s has the second name", (_, spoil, problem) => {
    mkdirSync(directory.keptFolder(DAY), { recursive: true });
    spoil();
    const before = tree();
    for (const command of ["protect", "unprotect"] as const) {
      const { problems } = run(command, [BARN]);
      expect(problems).toEqual([expect.stringContaining(problem)]);
      expect(problems[0]).toContain(kept(BARN));
    }
    expect(tree()).toEqual(before);
  });

  test("takes the same content under the second name as protected", () => {
    mkdirSync(directory.keptFolder(DAY), { recursive: true });
    writeFileSync(kept(BARN), "barn door");
    expect(run("protect", [BARN])).toEqual({ already: 1, problems: [] });
  });

  test.each([
    ["kept", () => symlinkSync("images", directory.kept)],
    [
      "the day in kept",
      () => {
        mkdirSync(directory.kept);
        symlinkSync("../images", directory.keptFolder(DAY));
      },
    ],
    [
      "the day in images",
      () => {
        rmSync(directory.dateFolder(DAY), { recursive: true });
        symlinkSync("../logs", directory.dateFolder(DAY));
      },
    ],
  ])("refuses a link in place of %s", (_, spoil) => {
    spoil();
    const before = tree();
    expect(() => run("protect", [DAY])).toThrow("ENOTDIR");
    expect(tree()).toEqual(before);
  });
});

describe("unprotect", () => {
  test("removes the second name of an image, and then the folder", () => {
    run("protect", [DAY]);
    expect(run("unprotect", [BARN])).toEqual({ done: 1, problems: [] });
    expect(readdirSync(directory.keptFolder(DAY))).toEqual([GATE]);
    expect(run("unprotect", [DAY])).toEqual({ done: 1, problems: [] });
    expect(existsSync(directory.keptFolder(DAY))).toBe(false);
    expect(run("unprotect", [DAY])).toEqual({ problems: [] });
    expect(run("unprotect", [BARN])).toEqual({ already: 1, problems: [] });
    expect(readFileSync(image(BARN), "utf8")).toBe("barn door");
  });

  test("gives a name in images back first if the day was removed there", () => {
    run("protect", [DAY]);
    rmSync(directory.dateFolder(DAY), { recursive: true });
    expect(run("protect", [DAY, GATE])).toEqual({ already: 2, problems: [] });
    const inode = statSync(kept(GATE)).ino;
    expect(run("unprotect", [GATE])).toEqual({ done: 1, restored: 1, problems: [] });
    expect(statSync(image(GATE)).ino).toBe(inode);
    expect([existsSync(kept(GATE)), existsSync(image(BARN))]).toEqual([false, false]);
    rmSync(directory.images, { recursive: true });
    expect(run("unprotect", [DAY])).toEqual({ done: 1, restored: 1, problems: [] });
    expect(readFileSync(image(BARN), "utf8")).toBe("barn door");
  });

  test("says that there is no such image", () => {
    const none = `None-${DAY}T00.00.00.000000.jpg`;
    expect(run("unprotect", [none]).problems).toEqual([`There is no image ${image(none)}`]);
  });
});

test("a rehearsal counts the same and changes nothing", () => {
  run("protect", [BARN]);
  rmSync(image(BARN));
  const before = tree();
  expect(run("protect", [DAY], { isRehearsal: true })).toEqual({
    done: 1,
    already: 1,
    problems: [],
  });
  expect(run("unprotect", [DAY], { isRehearsal: true })).toEqual({
    done: 1,
    restored: 1,
    problems: [],
  });
  expect(tree()).toEqual(before);
});

/** Protects the day, removes it in images, and unprotects it, where only copies are possible. */
function passThroughCopies(): void {
  expect(run("protect", [DAY])).toEqual({ done: 2, copied: 2, problems: [] });
  expect(readFileSync(kept(BARN), "utf8")).toBe("barn door");
  expect(run("protect", [DAY])).toEqual({ already: 2, problems: [] });
  rmSync(directory.dateFolder(DAY), { recursive: true });
  expect(run("unprotect", [BARN])).toEqual({ done: 1, copied: 1, restored: 1, problems: [] });
  expect(readFileSync(image(BARN), "utf8")).toBe("barn door");
  expect(readdirSync(directory.keptFolder(DAY))).toEqual([GATE]);
  const names = readdirSync(directory.path, { recursive: true }).map(String);
  expect(names.filter((name) => name.includes(".incoming"))).toEqual([]);
}

describe.skipIf(lacksMount())("on disks", () => {
  test.skipIf(lacks("exfat"))("without hard links it copies", () => {
    using disk = new ExfatDisk();
    directory = fill(join(disk.path, "data"));
    passThroughCopies();
  });

  test.skipIf(lacks("exfat") || lacksStrace()).each([
    ["renameat2", 1, 0],
    ["renameat", 1, 0],
    ["renameat", 2, 1],
    ["renameat", 3, 2],
  ])(
    "killed at %s number %d, it leaves %d copies, whole, and what a hub's start clears",
    (call, number, count) => {
      using disk = new ExfatDisk();
      directory = fill(join(disk.path, "data"));
      const inject = `inject=${call}:error=EINTR:signal=KILL:when=${number}`;
      const strace = `strace -f -o /dev/null -e trace=${call} -e ${inject}`.split(" ");
      const command = [process.execPath, join(CHECKOUT, "src/main.ts"), "protect", DAY];
      Bun.spawnSync(strace.concat(command, "--data", directory.path));
      clearLeftovers(directory);
      const names = readdirSync(directory.path, { recursive: true }).map(String);
      expect(names.filter((name) => name.includes(".incoming"))).toEqual([]);
      const done = names.filter((name) => name.startsWith("kept/") && name.endsWith(".jpg"));
      for (const name of done) {
        const path = join(directory.path, name);
        expect(readFileSync(path)).toEqual(readFileSync(path.replace("/kept/", "/images/")));
      }
      expect(done).toHaveLength(count);
      expect(run("protect", [DAY]).problems).toEqual([]);
      expect(protectedNames(directory, DAY)).toEqual(new Set([BARN, GATE]));
    },
  );

  test("with images on another disk it copies", () => {
    using disk = new SmallDisk("size=1m");
    rmSync(directory.images, { recursive: true });
    rmSync(directory.logs, { recursive: true });
    symlinkSync(disk.path, directory.images);
    directory = fill(directory.path);
    passThroughCopies();
  });

  test("a disk without room for copies keeps what is left for the hub", () => {
    using disk = new SmallDisk("size=1m");
    directory = new DataDirectory(disk.path);
    const folder = directory.dateFolder(DAY);
    using other = tempDir();
    symlinkSync(other.path, directory.images);
    mkdirSync(folder, { recursive: true });
    mkdirSync(directory.keptFolder(DAY), { recursive: true });
    writeFileSync(join(folder, BARN), new Uint8Array(100_000));
    disk.fill(120_000);
    expect(run("protect", [DAY])).toEqual({
      problems: [
        `${image(BARN)} cannot be copied to ${directory.keptFolder(DAY)}: there is no room`,
      ],
    });
    expect(readdirSync(directory.keptFolder(DAY))).toEqual([]);
    disk.makeRoom();
    expect(run("protect", [DAY])).toEqual({ done: 1, copied: 1, problems: [] });
    // Nor is one given back where there is no room.
    rmSync(image(BARN));
    using full = new SmallDisk("size=100k");
    rmSync(directory.images);
    symlinkSync(full.path, directory.images);
    expect(run("unprotect", [DAY]).problems).toEqual([
      `${kept(BARN)} cannot be copied to ${directory.dateFolder(DAY)}: there is no room`,
    ]);
    expect(readdirSync(directory.keptFolder(DAY))).toEqual([BARN]);
  });

  test.skipIf(lacks("exfat"))("an image that cannot have its name there is not protected", () => {
    using disk = new ExfatDisk();
    using other = tempDir();
    directory = new DataDirectory(join(disk.path, "data"));
    mkdirSync(directory.path);
    mkdirSync(directory.logs);
    const elsewhere = fill(other.path);
    const why = `Why?-${DAY}T16.58.47.490303.jpg`;
    writeFileSync(join(elsewhere.dateFolder(DAY), why), "why");
    // exFAT has no links.
    directory = Object.assign(new DataDirectory(directory.path), { images: elsewhere.images });
    const { done, copied, problems } = run("protect", [DAY]);
    expect([done, copied, problems]).toEqual([
      2,
      2,
      [`${image(why)} cannot have this name in ${directory.keptFolder(DAY)} (ENOENT)`],
    ]);
    expect(readdirSync(directory.keptFolder(DAY)).toSorted()).toEqual([BARN, GATE]);
    expect(readdirSync(directory.path).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("what it has done survives a power cut, and image and protection are never both gone", () => {
    using disk = new LoopDisk({ bytes: 2 ** 26 });
    directory = fill(join(disk.path, "data"));
    expect(run("protect", [DAY])).toEqual({ done: 2, problems: [] });
    disk.cutPower();
    disk.powerOn();
    expect(readFileSync(kept(BARN), "utf8")).toBe("barn door");
    rmSync(directory.dateFolder(DAY), { recursive: true });
    expect(run("unprotect", [DAY])).toEqual({ done: 2, restored: 2, problems: [] });
    disk.cutPower();
    disk.powerOn();
    expect(readFileSync(image(BARN), "utf8")).toBe("barn door");
    expect(existsSync(kept(BARN))).toBe(false);
  });
});
