import { describe, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DiskProbe, FREE_BYTES_MIN } from "../../src/store/disk-probe.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(60_000);

/** What a new look finds, with nothing remembered. */
const look = async (directory: string) => await new DiskProbe(guardAt(directory)).look();

test("DiskProbe finds no problem and leaves nothing behind when the disk takes files", async () => {
  using temp = tempDir();
  const { freeBytes, sizeBytes, problem } = await look(temp.path);
  expect(problem).toBeUndefined();
  expect(freeBytes).toBeGreaterThan(0);
  expect(sizeBytes).toBeGreaterThanOrEqual(freeBytes);
  expect(readdirSync(temp.path)).toEqual([]);
  mkdirSync(join(temp.path, "images"));
  expect((await look(temp.path)).problem).toBeUndefined();
  expect(readdirSync(temp.path, { recursive: true })).toEqual(["images"]);
});

test("DiskProbe says what is in its way, and on which file system, when there can be no such folder", async () => {
  using temp = tempDir();
  writeFileSync(join(temp.path, "images"), "");
  const { problem } = await look(temp.path);
  expect(problem).toStartWith(`Cannot write to ${temp.path}/images: E`);
  expect(problem).toMatch(/ on \w+ at \/\S* \(\S+\)$/);
});

test("DiskProbe makes nothing, and says so, when the data directory is gone or another", async () => {
  using temp = tempDir();
  const path = join(temp.path, "data");
  mkdirSync(path);
  const data = guardAt(path);
  renameSync(path, `${path}.away`);
  expect((await new DiskProbe(data).look()).problem).toStartWith(
    `The data directory ${path} is not there any more: `,
  );
  expect(existsSync(path)).toBe(false);
  mkdirSync(path);
  expect((await new DiskProbe(data).look()).problem).toStartWith(
    `The data directory ${path} is another one than at the start: `,
  );
  expect(readdirSync(path)).toEqual([]);
});

describe.skipIf(lacksMount())("DiskProbe of a small disk", () => {
  test("says that it is full, and takes that back when there is room", async () => {
    using disk = new SmallDisk(`size=${4 * FREE_BYTES_MIN}`);
    expect((await look(disk.path)).problem).toBeUndefined();
    disk.fill(FREE_BYTES_MIN - 8192);
    expect(await look(disk.path)).toMatchObject({
      freeBytes: FREE_BYTES_MIN - 8192,
      problem: `The disk is full: ${FREE_BYTES_MIN - 8192} bytes are free for ${disk.path}, fewer than ${FREE_BYTES_MIN}`,
    });
    disk.makeRoom();
    expect((await look(disk.path)).problem).toBeUndefined();
  });

  test("says that there is no room for files, though there is for bytes", async () => {
    using disk = new SmallDisk("size=64m,nr_inodes=100");
    mkdirSync(join(disk.path, "images"));
    disk.fillInodes();
    expect((await look(disk.path)).problem).toContain("it has room for 0 more files");
  });

  test("says that it is read-only, and takes that back", async () => {
    using disk = new SmallDisk("size=64m");
    disk.remount("ro");
    expect((await look(disk.path)).problem).toMatch(/^Cannot write to .*(?:EROFS|read-only)/);
    disk.remount("rw");
    expect((await look(disk.path)).problem).toBeUndefined();
  });

  test("gives the same answer for a second, and then looks again", async () => {
    using disk = new SmallDisk("size=64m");
    let nowMs = performance.now();
    using _ = spyOn(performance, "now").mockImplementation(() => nowMs);
    const probe = new DiskProbe(guardAt(disk.path));
    await probe.look();
    disk.fill();
    nowMs += 999;
    expect((await probe.look()).problem).toBeUndefined();
    nowMs += 1;
    expect((await probe.look()).problem).toContain("The disk is full");
  });
});
