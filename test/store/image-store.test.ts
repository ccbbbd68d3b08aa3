import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Calendar } from "../../src/protocol/calendar.ts";
import { SystemError } from "../../src/os/ffi.ts";
import { DateFolders, type Permit } from "../../src/store/date-folders.ts";
import { ImageStore } from "../../src/store/image-store.ts";
import { createShared } from "../../src/shared/memory.ts";
import { afterWrite } from "../support/store/after-write.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { type Ability, lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import {
  FakeClock,
  LOS_ANGELES,
  UTC,
  utcMicros,
  type Zone,
} from "../support/machine/fake-clock.ts";
import { StoreThread } from "../support/store/store-thread.ts";
import { tempDir } from "../support/machine/temp.ts";

// Only so that nothing hangs for ever.
setDefaultTimeout(60_000);

const BYTES = Buffer.from(Array.from({ length: 45_001 }, (_, index) => (index * 11) % 256));
const NOON = "2026-11-22T12:00:00.000005";

/** An image store, with its own memory as after a start of the hub. */
class Fixture {
  readonly directory: string;
  readonly #store: ImageStore;

  constructor(data: string, imagesMax = 1000, zone: Zone = UTC, durable = false) {
    const shared = createShared(1);
    const guard = guardAt(data, shared);
    this.directory = guard.directory.images;
    const folders = new DateFolders(guard, imagesMax, shared);
    this.#store = new ImageStore(folders, new Calendar(FakeClock.at(NOON, zone)), durable, guard);
  }

  store(name: string, utc: string, bytes: Uint8Array = BYTES): Permit {
    return this.#store.store(name, utcMicros(utc), bytes, ".jpg");
  }

  /** The same. @param action what happens once the bytes are written */
  storeAnd(action: () => void): Permit {
    using _ = afterWrite(action);
    return this.store("Barn", NOON);
  }

  /** The code of the error with which storing fails. @param action as of {@link storeAnd} */
  failure(action: () => void = () => undefined): string {
    try {
      return this.storeAnd(action);
    } catch (error) {
      if (error instanceof Error && "code" in error) return String(error.code);
      throw error;
    }
  }

  /** Everything below the directory, `2026-11-22/Barn-….jpg`. */
  files(): string[] {
    const entries = readdirSync(this.directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    return files
      .map(({ parentPath, name }) => `${parentPath.slice(this.directory.length + 1)}/${name}`)
      .toSorted();
  }

  read(file: string): Buffer {
    return readFileSync(join(this.directory, file));
  }
}

function failWrite(): never {
  throw new SystemError("write", 28);
}

describe("ImageStore.store", () => {
  test.each([false, true])("stores byte for byte when durable is %p", (durable) => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 10, UTC, durable);
    expect(fixture.store("Barn-Door", "2018-12-30T23:13:31.620992")).toBe("granted");
    expect(fixture.files()).toEqual(["2018-12-30/Barn-Door-2018-12-30T23.13.31.620992.jpg"]);
    expect(fixture.read(fixture.files()[0]!).equals(BYTES)).toBe(true);
  });

  test("keeps both when two come in the same microsecond", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path);
    for (const text of ["one", "two", "three"]) fixture.store("Barn", NOON, Buffer.from(text));
    fixture.store("Door", NOON, Buffer.from("four"));
    expect(fixture.files().map((file) => [file, fixture.read(file).toString()])).toEqual([
      ["2026-11-22/Barn-2026-11-22T12.00.00.000005.jpg", "one"],
      ["2026-11-22/Barn-2026-11-22T12.00.00.000006.jpg", "two"],
      ["2026-11-22/Barn-2026-11-22T12.00.00.000007.jpg", "three"],
      ["2026-11-22/Door-2026-11-22T12.00.00.000005.jpg", "four"],
    ]);
  });

  test("stays in the second and the folder when the last microsecond of a day is taken", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path);
    const last = "2026-11-22T23:59:59.999999";
    expect([fixture.store("Barn", last), fixture.store("Barn", last)]).toEqual([
      "granted",
      "granted",
    ]);
    expect(fixture.files()).toEqual([
      "2026-11-22/Barn-2026-11-22T23.59.59.000000.jpg",
      "2026-11-22/Barn-2026-11-22T23.59.59.999999.jpg",
    ]);
  });

  test("overwrites nothing when the hour before the end of daylight saving time comes twice", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 1000, LOS_ANGELES);
    // 01:30 in Los Angeles, and an hour later again 01:30.
    fixture.store("Barn", "2026-11-01T08:30:00.25", Buffer.from("summer"));
    fixture.store("Barn", "2026-11-01T09:30:00.25", Buffer.from("winter"));
    expect(fixture.files().map((file) => [file, fixture.read(file).toString()])).toEqual([
      ["2026-11-01/Barn-2026-11-01T01.30.00.250000.jpg", "summer"],
      ["2026-11-01/Barn-2026-11-01T01.30.00.250001.jpg", "winter"],
    ]);
  });

  test("takes the folder of the local date when it is midnight", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 1000, LOS_ANGELES);
    fixture.store("Barn", "2026-11-22T07:59:59.999999");
    fixture.store("Barn", "2026-11-22T08:00:00.000000");
    // An image that was received before midnight may be stored after it.
    fixture.store("Barn", "2026-11-22T07:59:59.999998");
    expect(fixture.files()).toEqual([
      "2026-11-21/Barn-2026-11-21T23.59.59.999998.jpg",
      "2026-11-21/Barn-2026-11-21T23.59.59.999999.jpg",
      "2026-11-22/Barn-2026-11-22T00.00.00.000000.jpg",
    ]);
  });

  test("goes back to the earlier folder and overwrites nothing when the clock steps back a day", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 3);
    const [day, dayAfter] = ["2026-11-22T12:00:00.000001", "2026-11-23T12:00:00.000001"];
    const permits = [day, day, dayAfter, day, day].map((utc) => fixture.store("Barn", utc));
    expect(permits).toEqual(["granted", "granted", "granted", "granted", "firstOver"]);
    expect(fixture.files()).toEqual([
      "2026-11-22/Barn-2026-11-22T12.00.00.000001.jpg",
      "2026-11-22/Barn-2026-11-22T12.00.00.000002.jpg",
      "2026-11-22/Barn-2026-11-22T12.00.00.000003.jpg",
      "2026-11-23/Barn-2026-11-23T12.00.00.000001.jpg",
    ]);
  });

  test("writes nothing when the folder has all that it may have, also after a restart", () => {
    using temp = tempDir();
    const store = (fixture: Fixture) => fixture.store("Barn", NOON);
    const before = new Fixture(temp.path, 3);
    expect([store(before), store(before)]).toEqual(["granted", "granted"]);
    const after = new Fixture(temp.path, 3);
    expect([store(after), store(after), store(after)]).toEqual(["granted", "firstOver", "over"]);
    const wider = new Fixture(temp.path, 4);
    expect([store(wider), store(wider)]).toEqual(["granted", "firstOver"]);
    expect(wider.files()).toHaveLength(4);
  });

  test("does not write at all when the folder is full", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 0);
    expect(fixture.storeAnd(() => expect.unreachable())).toBe("firstOver");
  });

  test("gives the place back and leaves nothing when a write fails", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 2);
    fixture.store("Barn", NOON);
    for (let round = 0; round < 5; round++) expect(fixture.failure(failWrite)).toBe("ENOSPC");
    expect(fixture.files()).toHaveLength(1);
    expect([fixture.store("Barn", NOON), fixture.store("Barn", NOON)]).toEqual([
      "granted",
      "firstOver",
    ]);
  });

  test("makes the folder again and counts anew when it is removed while running", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 3);
    const folder = join(fixture.directory, "2026-11-22");
    fixture.store("Barn", NOON);
    fixture.store("Barn", NOON);
    rmSync(folder, { recursive: true });
    const permits = Array.from({ length: 4 }, () => fixture.store("Barn", NOON));
    expect(permits).toEqual(["granted", "granted", "granted", "firstOver"]);
    expect(readdirSync(folder)).toHaveLength(3);
    // A full one too.
    rmSync(fixture.directory, { recursive: true });
    expect(fixture.store("Barn", NOON)).toBe("granted");
    expect(readdirSync(folder)).toHaveLength(1);
  });

  test.each([1, 1000])(
    "stores when the folder is removed in the midst of a write and the cap is %d",
    (imagesMax) => {
      using temp = tempDir();
      const fixture = new Fixture(temp.path, imagesMax);
      let writes = 0;
      const remove = (): void => {
        if (writes++ === 0) rmSync(join(fixture.directory, "2026-11-22"), { recursive: true });
      };
      expect(fixture.storeAnd(remove)).toBe("granted");
      expect(fixture.files()).toEqual(["2026-11-22/Barn-2026-11-22T12.00.00.000005.jpg"]);
      expect(fixture.read(fixture.files()[0]!).equals(BYTES)).toBe(true);
      expect(fixture.store("Barn", NOON)).toBe(imagesMax === 1 ? "firstOver" : "granted");
    },
  );

  test("gives the place back when the folder is removed and the second write fails too", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 1);
    let writes = 0;
    const remove = (): void => {
      if (writes++ > 0) failWrite();
      rmSync(join(fixture.directory, "2026-11-22"), { recursive: true });
    };
    expect(fixture.failure(remove)).toBe("ENOSPC");
    expect(writes).toBe(2);
    expect(fixture.store("Barn", NOON)).toBe("granted");
  });

  test("throws and gives the place back when the folder is removed again and again", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 1);
    const remove = (): void => rmSync(join(fixture.directory, "2026-11-22"), { recursive: true });
    expect(fixture.failure(remove)).toBe("ENOENT");
    expect(fixture.store("Barn", NOON)).toBe("granted");
  });

  test("throws and stores later when a file stands where the folder should", () => {
    using temp = tempDir();
    const fixture = new Fixture(temp.path, 1);
    const folder = join(fixture.directory, "2026-11-22");
    mkdirSync(fixture.directory);
    writeFileSync(folder, "");
    expect(fixture.failure()).toBe("EEXIST");
    rmSync(folder);
    expect(fixture.store("Barn", NOON)).toBe("granted");
  });
});

describe.skipIf(lacksMount())("ImageStore.store", () => {
  test("gives the place back and leaves nothing when the disk is full", () => {
    using disk = new SmallDisk("size=256k");
    const fixture = new Fixture(disk.path, 2);
    fixture.store("Barn", NOON);
    disk.fill(20_000);
    for (let round = 0; round < 5; round++) expect(fixture.failure()).toBe("ENOSPC");
    expect(fixture.files()).toHaveLength(1);
    disk.makeRoom();
    expect([fixture.store("Barn", NOON), fixture.store("Barn", NOON)]).toEqual([
      "granted",
      "firstOver",
    ]);
    for (const file of fixture.files()) expect(fixture.read(file).equals(BYTES)).toBe(true);
  });

  test("gives the place back and makes the folder later when there are no inodes", () => {
    using disk = new SmallDisk("size=1m,nr_inodes=12");
    const fixture = new Fixture(disk.path, 1);
    mkdirSync(fixture.directory);
    disk.fillInodes();
    expect(fixture.failure()).toBe("ENOSPC");
    disk.makeRoom();
    expect([fixture.store("Barn", NOON), fixture.store("Barn", NOON)]).toEqual([
      "granted",
      "firstOver",
    ]);
  });

  test("gives the place back when the file system is read-only for a time", () => {
    using disk = new SmallDisk("size=1m");
    const fixture = new Fixture(disk.path, 2);
    fixture.store("Barn", NOON);
    disk.remount("ro");
    for (let round = 0; round < 5; round++) expect(fixture.failure()).toBe("EROFS");
    disk.remount("rw");
    expect([fixture.store("Barn", NOON), fixture.store("Barn", NOON)]).toEqual([
      "granted",
      "firstOver",
    ]);
  });
});

const threads: [lost: Ability[]][] = [
  [[]],
  [["O_TMPFILE"]],
  [["O_TMPFILE", "hard links"]],
  [["O_TMPFILE", "hard links", "RENAME_NOREPLACE"]],
];
test.each(threads)(
  "ImageStore.store loses nothing when two threads store under the same name at once, without %j",
  async (lost) => {
    using temp = tempDir();
    const shared = createShared(1);
    const imagesMax = 700;
    const start = {
      data: temp.path,
      imagesMax,
      shared,
      lost,
    };
    using one = await StoreThread.start(start);
    using other = await StoreThread.start(start);
    const count = 400;
    const imagesOf = (thread: string) =>
      Array.from({ length: count }, (_, index) => ({
        name: "Barn",
        micros: utcMicros(NOON) + Math.floor(index / 10),
        bytes: Buffer.from(`${thread} ${index} `.repeat(500)),
      }));
    const results = await Promise.all([one.store(imagesOf("one")), other.store(imagesOf("other"))]);

    expect(results.flat().filter((result) => result === "granted")).toHaveLength(imagesMax);
    expect(results.flat().filter((result) => result === "firstOver")).toHaveLength(1);
    expect(results.flat().filter((result) => result === "over")).toHaveLength(
      2 * count - imagesMax - 1,
    );

    const granted = ["one", "other"].flatMap((thread, at) =>
      imagesOf(thread).filter((_, index) => results[at]![index] === "granted"),
    );
    const folder = join(temp.path, "images/2026-11-22");
    const stored = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
    expect(stored.toSorted()).toEqual(granted.map(({ bytes }) => bytes.toString()).toSorted());
  },
);

test("ImageStore.store keeps to the cap when two threads find their folder removed", async () => {
  using temp = tempDir();
  const shared = createShared(1);
  const start = {
    data: temp.path,
    imagesMax: 500,
    shared,
  };
  using one = await StoreThread.start(start);
  using other = await StoreThread.start(start);
  const images = Array.from({ length: 400 }, (_, index) => ({
    name: "Barn",
    micros: utcMicros(NOON) + index * 10,
    bytes: Buffer.from("x"),
  }));
  await one.store(images.slice(0, 300));
  rmSync(join(temp.path, "images/2026-11-22"), { recursive: true });
  const results = (await Promise.all([one.store(images), other.store(images)])).flat();
  const granted = results.filter((result) => result === "granted").length;
  // One image may have had its place before the folder was removed and its file in the one that was
  // made again.
  expect([500, 501]).toContain(granted);
  expect(readdirSync(join(temp.path, "images/2026-11-22"))).toHaveLength(granted);
});
