import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Part } from "../../src/store/data-directory.ts";
import { DataDirectoryGone, type DataGuard, DataState } from "../../src/store/data-guard.ts";
import { createShared } from "../../src/shared/memory.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { tempDir } from "../support/machine/temp.ts";

/** A data directory that another thread sees, too, and what that sees. */
function seenTwice(path: string): [guard: DataGuard, other: DataGuard] {
  const shared = createShared(1);
  return [guardAt(path, shared), guardAt(path, shared)];
}

describe("DataGuard", () => {
  test("is right as long as the path leads to it, found with and without waiting for it", async () => {
    using temp = tempDir();
    for (const path of [temp.path, "/proc", "/dev/shm"]) {
      const guard = guardAt(path);
      guard.check(Part.images);
      for (const look of [guard.look(), await guard.lookSoon()])
        expect(look).toEqual({ state: DataState.right });
    }
  });

  test.each<[what: string, change: (path: string) => void, state: number]>([
    ["gone", (path) => rmSync(path, { recursive: true }), DataState.missing],
    ["moved away", (path) => renameSync(path, `${path}.away`), DataState.missing],
    [
      "another one",
      (path) => (renameSync(path, `${path}.away`), mkdirSync(path)),
      DataState.replaced,
    ],
    [
      "behind a link that leads nowhere",
      (path) => (rmSync(path, { recursive: true }), symlinkSync("x", path)),
      DataState.missing,
    ],
  ])("refuses, and makes nothing, when it is %s", async (_, change, state) => {
    using temp = tempDir();
    const path = join(temp.path, "data");
    mkdirSync(path);
    const [guard, other] = seenTwice(path);
    change(path);
    const before = readdirSync(temp.path, { recursive: true });
    for (const each of [guard, other]) {
      expect(() => each.check(Part.images)).toThrow(DataDirectoryGone);
      expect(() => each.makeDateFolder("2026-11-22")).toThrow(DataDirectoryGone);
    }
    for (const look of [guard.look(), await guard.lookSoon()])
      expect(look.state).toBe(state as never);
    expect(readdirSync(temp.path, { recursive: true })).toEqual(before);
  });

  test("refuses in all threads what one has found", () => {
    using temp = tempDir();
    const [guard, other] = seenTwice(temp.path);
    guard.check(Part.images);
    other.state = DataState.taken;
    expect(() => guard.check(Part.images)).toThrow(
      `Another hub has locked the data directory ${temp.path}: `,
    );
    other.state = DataState.right;
    guard.check(Part.images);
  });

  test("makes folders in it, and takes those that are there", () => {
    using temp = tempDir();
    const guard = guardAt(temp.path);
    for (let round = 0; round < 2; round++) guard.makeDateFolder("2026-11-22");
    expect(readdirSync(temp.path)).toEqual(["images"]);
    expect(readdirSync(join(temp.path, "images"))).toEqual(["2026-11-22"]);
  });

  test("makes a folder again that was removed, and not one whose disk is missing behind a link", () => {
    using temp = tempDir();
    const images = join(temp.path, "images");
    symlinkSync("/dev/shm", images);
    const guard = guardAt(temp.path);
    guard.makeFolder(Part.images);
    rmSync(images);
    symlinkSync(join(temp.path, "not there"), images);
    expect(() => guard.makeFolder(Part.images)).toThrow("is on another disk than at the start");
    rmSync(images);
    for (let round = 0; round < 2; round++) guard.makeFolder(Part.images);
    rmSync(images, { recursive: true });
    symlinkSync("/proc", images);
    expect(() => guard.makeFolder(Part.images)).toThrow("is on another disk than at the start");
  });

  test("refuses when a folder of it that is on another disk is so no more", () => {
    using temp = tempDir();
    const images = join(temp.path, "images");
    symlinkSync("/dev/shm", images);
    const guard = guardAt(temp.path);
    guard.check(Part.images);
    rmSync(images);
    // Made again by who writes next.
    guard.check(Part.images);
    mkdirSync(images);
    expect(() => guard.check(Part.images)).toThrow("is on another disk than at the start");
  });

  test("is another one for whoever adopts it", () => {
    using temp = tempDir();
    const path = join(temp.path, "data");
    mkdirSync(path);
    const [guard, other] = seenTwice(path);
    renameSync(path, `${path}.away`);
    mkdirSync(path);
    other.adopt();
    guard.check(Part.images);
  });
});
