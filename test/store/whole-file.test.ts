import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { SystemError } from "../../src/os/ffi.ts";
import { Part, TEMPORARY_PREFIX } from "../../src/store/data-directory.ts";
import { type Content, WholeFileWriter } from "../../src/store/whole-file.ts";
import { afterWrite } from "../support/store/after-write.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { utcMicros } from "../support/machine/fake-clock.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { type Ability, ExfatDisk, lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { StoreThread } from "../support/store/store-thread.ts";
import { tempDir } from "../support/machine/temp.ts";

// Only so that nothing hangs for ever.
setDefaultTimeout(60_000);

/** Bytes of every value. */
const CONTENT = Buffer.from(Array.from({ length: 100_003 }, (_, index) => (index * 7) % 256));

/**
 * Writes one file into a folder, as the stores do. @param names of it that are tried one after the
 * other @returns the path that it got
 */
function create(
  writer: WholeFileWriter,
  folder: string,
  content: Content,
  ...names: readonly string[]
): string {
  try {
    writer.begin(folder);
    writer.write(content);
    for (const name of names) if (writer.publish(join(folder, name))) return join(folder, name);
    throw new Error("All names are taken");
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof SystemError) return error.code;
    throw error;
  }
  return "no error";
}

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

describe.each([false, true])("WholeFileWriter with durable %p", (durable) => {
  test("stores byte for byte when the name is free", () => {
    using temp = tempDir();
    const writer = new WholeFileWriter(guardAt(temp.path), durable);
    const path = create(writer, temp.path, CONTENT, "a");
    expect(path).toBe(join(temp.path, "a"));
    expect(readFileSync(path).equals(CONTENT)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o644 & ~process.umask());
    expect(readdirSync(temp.path)).toEqual(["a"]);
  });

  test("stores an empty file when nothing is written", () => {
    using temp = tempDir();
    const writer = new WholeFileWriter(guardAt(temp.path), durable);
    create(writer, temp.path, Buffer.alloc(0), "a");
    expect(readFileSync(join(temp.path, "a"))).toBeEmpty();
  });

  test("takes the first free path and leaves the others alone when some are taken", () => {
    using temp = tempDir();
    writeFileSync(join(temp.path, "a"), "first");
    mkdirSync(join(temp.path, "b"));
    const writer = new WholeFileWriter(guardAt(temp.path), durable);
    const path = create(writer, temp.path, CONTENT, "a", "b", "c", "d");
    expect(path).toBe(join(temp.path, "c"));
    expect(readFileSync(join(temp.path, "a"), "utf8")).toBe("first");
    expect(readdirSync(temp.path).toSorted()).toEqual(["a", "b", "c"]);
  });

  test("shows nothing in the folder when the file is not yet complete", () => {
    using temp = tempDir();
    const writer = new WholeFileWriter(guardAt(temp.path), durable);
    writer.begin(temp.path);
    writer.write(CONTENT);
    expect(readdirSync(temp.path)).toEqual([]);
    expect(writer.publish(join(temp.path, "a"))).toBe(true);
    expect(readdirSync(temp.path)).toEqual(["a"]);
  });

  test("leaves nothing and no open file when the write fails", () => {
    using temp = tempDir();
    const writer = new WholeFileWriter(guardAt(temp.path), durable);
    const before = openFiles();
    using _ = afterWrite(() => {
      throw new SystemError("write", 5);
    });
    for (let round = 0; round < 20; round++)
      expect(codeOf(() => create(writer, temp.path, CONTENT, "a"))).toBe("EIO");
    expect(readdirSync(temp.path)).toEqual([]);
    expect(openFiles()).toBe(before);
  });

  test("leaves nothing and no open file when the name cannot be given", () => {
    using temp = tempDir();
    const writer = new WholeFileWriter(guardAt(temp.path), durable);
    const before = openFiles();
    const impossible: [name: string, code: string][] = [
      ["no-such-folder/a", "ENOENT"],
      ["x".repeat(256), "ENAMETOOLONG"],
      ["y/".repeat(3000), "ENAMETOOLONG"],
    ];
    for (const [name, code] of impossible)
      expect(codeOf(() => create(writer, temp.path, CONTENT, name))).toBe(code);
    expect(readdirSync(temp.path)).toEqual([]);
    expect(openFiles()).toBe(before);
  });

  test("says that the folder is gone when it was removed before, or while it wrote", () => {
    using temp = tempDir();
    const writer = new WholeFileWriter(guardAt(temp.path), durable);
    const folder = join(temp.path, "folder");
    expect(codeOf(() => create(writer, folder, CONTENT, "a"))).toBe("ENOENT");
    mkdirSync(folder);
    {
      using _ = afterWrite(() => rmSync(folder, { recursive: true }));
      expect(codeOf(() => create(writer, folder, CONTENT, "a"))).toBe("ENOENT");
    }
    mkdirSync(folder);
    create(writer, folder, CONTENT, "a");
    expect(readdirSync(folder)).toEqual(["a"]);
  });
});

describe.skipIf(lacksMount())("WholeFileWriter", () => {
  test("leaves nothing and stores again when the disk was full", () => {
    using disk = new SmallDisk("size=64k");
    const writer = new WholeFileWriter(guardAt(disk.path), false);
    const before = disk.free();
    for (let round = 0; round < 20; round++) {
      expect(codeOf(() => create(writer, disk.path, CONTENT, "a"))).toBe("ENOSPC");
    }
    expect(readdirSync(disk.path)).toEqual([]);
    expect(disk.free()).toEqual(before);
    const small = CONTENT.subarray(0, 50_000);
    create(writer, disk.path, small, "a");
    expect(readFileSync(join(disk.path, "a")).equals(small)).toBe(true);
  });

  test("leaves nothing and stores again when there were no inodes", () => {
    using disk = new SmallDisk("size=1m,nr_inodes=8");
    const writer = new WholeFileWriter(guardAt(disk.path), false);
    disk.fillInodes();
    const createOne = () => create(writer, disk.path, CONTENT, "a");
    expect(codeOf(createOne)).toBe("ENOSPC");
    disk.makeRoom();
    expect(readdirSync(disk.path)).toEqual([]);
    createOne();
    expect(readdirSync(disk.path)).toEqual(["a"]);
  });

  test("leaves nothing and stores again when the file system was read-only", () => {
    using disk = new SmallDisk("size=1m");
    const writer = new WholeFileWriter(guardAt(disk.path), false);
    const createOne = () => create(writer, disk.path, CONTENT, "a");
    disk.remount("ro");
    expect(codeOf(createOne)).toBe("EROFS");
    disk.remount("rw");
    expect(readdirSync(disk.path)).toEqual([]);
    createOne();
    expect(readdirSync(disk.path)).toEqual(["a"]);
  });
});

/** File systems, by what they lack. */
const poorer: [lost: Ability[]][] = [
  [["O_TMPFILE"]],
  [["O_TMPFILE", "RENAME_NOREPLACE"]],
  [["O_TMPFILE", "hard links"]],
  [["O_TMPFILE", "hard links", "RENAME_NOREPLACE"]],
  [["link O_TMPFILE"]],
  [["AT_EMPTY_PATH"]],
];
describe.each(poorer)("WholeFileWriter on a file system without %j", (lost) => {
  const micros = utcMicros("2026-11-22T13:14:15.620992");
  const image = { name: "Barn", micros, bytes: CONTENT };
  const start = (data: string) => StoreThread.start({ data, lost });

  test("stores byte for byte and never over another when names are taken", async () => {
    using temp = tempDir();
    using thread = await start(temp.path);
    const images = [1, 2, 3].map((fill) => ({
      name: "Barn",
      micros,
      bytes: Buffer.alloc(fill * 1000, fill),
    }));
    expect(await thread.store(images)).toEqual(["granted", "granted", "granted"]);
    const folder = join(temp.path, "images/2026-11-22");
    const names = readdirSync(folder).toSorted();
    // The very first name may have been passed over, when that showed what is lacking.
    for (const name of names) expect(name).toMatch(/^Barn-2026-11-22T13\.14\.15\.62099[2-5]\.jpg$/);
    const stored = names.map((name) => readFileSync(join(folder, name)));
    expect(stored.toSorted((a, b) => a.length - b.length)).toEqual(
      images.map(({ bytes }) => bytes),
    );
  });

  test("leaves nothing when the write fails", async () => {
    using temp = tempDir();
    using thread = await start(temp.path);
    expect(
      await thread.store([{ ...image, fails: true }, image, { ...image, fails: true }]),
    ).toEqual(["EIO", "granted", "EIO"]);
    expect(readdirSync(join(temp.path, "images/2026-11-22"))).toEqual([
      expect.stringMatching(/^Barn-.*\.jpg$/),
    ]);
  });

  test("leaves nothing when the name cannot be given", async () => {
    using temp = tempDir();
    using thread = await start(temp.path);
    expect(await thread.store([{ ...image, name: "no-such-folder/Barn" }, image])).toEqual([
      "ENOENT",
      "granted",
    ]);
    expect(readdirSync(join(temp.path, "images/2026-11-22"))).toEqual([
      expect.stringMatching(/^Barn-.*\.jpg$/),
    ]);
  });

  test("stores when a process that ended left a temporary of the same name", async () => {
    using temp = tempDir();
    using thread = await start(temp.path);
    const folder = join(temp.path, "images/2026-11-22");
    mkdirSync(folder, { recursive: true });
    // The thread's own number is not known here.
    const left = Array.from(
      { length: 200 },
      (_, id) => `${TEMPORARY_PREFIX}${process.pid}-${id}-0`,
    );
    for (const name of left) writeFileSync(join(folder, name), "of another time");
    expect(await thread.store([image])).toEqual(["granted"]);
    const [stored = "", ...others] = readdirSync(folder).filter((name) => !name.startsWith("."));
    expect(others).toEqual([]);
    expect(readFileSync(join(folder, stored)).equals(CONTENT)).toBe(true);
    expect(readFileSync(join(folder, left[0]!), "utf8")).toBe("of another time");
  });
});

test("WholeFileWriter refuses and leaves nothing when a file system can give no name at all", async () => {
  using temp = tempDir();
  using thread = await StoreThread.start({
    data: temp.path,
    lost: ["O_TMPFILE", "RENAME_NOREPLACE", "hard links", "rename"],
  });
  const image = { name: "Barn", micros: utcMicros("2026-11-22T13:14:15"), bytes: CONTENT };
  expect(await thread.store([image, image])).toEqual(["EIO", "EIO"]);
  expect(readdirSync(join(temp.path, "images/2026-11-22"))).toEqual([]);
  expect(existsSync(join(temp.path, "logs"))).toBe(false);
});

/** Names of files that are there while one is written: none where it has no name yet. */
function shownWhile(writer: WholeFileWriter, folder: string, name: string): string[] {
  writer.begin(folder);
  writer.write(CONTENT);
  const shown = [...new Set([folder, dirname(folder)])].flatMap((each) => readdirSync(each));
  expect(writer.publish(join(folder, name))).toBe(true);
  return shown.filter((each) => each.startsWith(TEMPORARY_PREFIX));
}

describe.skipIf(process.getuid?.() !== 0 || Bun.which("chattr") === null)("WholeFileWriter", () => {
  // It gave all files hidden names from then on, which a crash leaves.
  test.each(["the data directory", "the folder"])(
    "makes unnamed files again when %s was immutable for a while",
    (which) => {
      using temp = tempDir();
      const folder = join(temp.path, "folder");
      mkdirSync(folder);
      const writer = new WholeFileWriter(guardAt(temp.path), false);
      const chattr = (change: string): boolean =>
        Bun.spawnSync(["chattr", change, which === "the folder" ? folder : temp.path]).success;
      expect(chattr("+i")).toBe(true);
      try {
        // Begun in the data directory and named in the folder, it can need the one or the other.
        for (let round = 0; round < 3; round++)
          expect(codeOf(() => create(writer, folder, CONTENT, "a"))).toMatch(/^E(PERM|ACCES)$/);
      } finally {
        chattr("-i");
      }
      expect(shownWhile(writer, folder, "a")).toEqual([]);
      expect(readdirSync(folder)).toEqual(["a"]);
    },
  );
});

function run(...words: string[]): void {
  expect(Bun.spawnSync(words).success).toBe(true);
}

describe.skipIf(lacks("exfat") || lacksMount())(
  "WholeFileWriter on a disk that has no unnamed files",
  () => {
    test("gives hidden names there and for a while, and to no other folder, and then tries again", () => {
      using temp = tempDir();
      using disk = new ExfatDisk();
      const [folder, other] = [join(temp.path, "folder"), join(temp.path, "other")];
      for (const path of [folder, other]) mkdirSync(path);
      let nowMs = 1000;
      const writer = new WholeFileWriter(guardAt(temp.path), false, Part.images, () => nowMs);
      const isHidden = (name: string, where = folder): boolean =>
        shownWhile(writer, where, name).length > 0;

      run("mount", "--bind", disk.path, folder);
      try {
        expect(isHidden("a")).toBe(true);
        expect(isHidden("a", other)).toBe(false);
        expect(isHidden("b")).toBe(true);
        nowMs += 20_000;
        // It is so still, and tried less often.
        expect(isHidden("c")).toBe(true);
      } finally {
        run("umount", folder);
      }
      nowMs += 39_999;
      expect(isHidden("a")).toBe(true);
      nowMs += 1;
      expect(isHidden("b")).toBe(false);
      expect(isHidden("c")).toBe(false);
      expect(readdirSync(folder).toSorted()).toEqual(["a", "b", "c"]);
    });
  },
);
