import { describe, expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { readDays } from "../../src/catalog/catalog.ts";
import { IntentNote } from "../../src/keep/intent.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { openOwn, writeOwn } from "../../src/store/own-folder.ts";
import { WorkLock } from "../../src/store/work-lock.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { Later } from "../support/machine/later.ts";
import { tempDir } from "../support/machine/temp.ts";

let path: string;
let directory: DataDirectory;
forEachTest(tempDir, (temp) => {
  path = temp.path;
  directory = new DataDirectory(path);
});

describe("the hub's own folder", () => {
  test("is made only where a data directory is", () => {
    // The empty mount point of its disk.
    for (const attempt of [
      () => openOwn(directory),
      () => writeOwn(directory, "a", "x", true),
      () => WorkLock.tryToTake(directory, "prune"),
    ])
      expect(attempt).toThrow(`There is no ${path}/images: mount the disk of the data directory`);
    expect(readdirSync(path)).toEqual([]);
    const none = new DataDirectory(`${path}/none/data`);
    expect(() => WorkLock.tryToTake(none, "prune")).toThrow("ENOENT");
    expect(existsSync(`${path}/none`)).toBe(false);
  });

  test("holds files that are whole", () => {
    mkdirSync(directory.images);
    for (const text of ["first", "second"]) {
      writeOwn(directory, "a", text, true);
      expect(readFileSync(`${directory.own}/a`, "utf8")).toBe(text);
    }
    expect(readdirSync(directory.own)).toEqual(["a"]);
  });

  test.skipIf(process.geteuid?.() !== 0)("belongs to the owner of the data directory", () => {
    mkdirSync(`${directory.images}/2021-09-23`, { recursive: true });
    chownSync(path, 65_534, 60);
    WorkLock.tryToTake(directory, "prune")?.[Symbol.dispose]();
    using note = new IntentNote(directory, () => undefined);
    note.write([{ reason: "days", from: "2021-09-23", to: "2021-09-23" }]);
    using _ = new Later();
    readDays(directory, { today: "2021-09-25", keeps: true });
    const names = readdirSync(directory.own);
    expect(names.toSorted()).toEqual(["days.json", "prune.lock", "pruning.json"]);
    for (const name of [".", ...names]) {
      const { uid, gid } = statSync(`${directory.own}/${name}`);
      expect([name, uid, gid]).toEqual([name, 65_534, 60]);
    }
    expect(statSync(`${directory.own}/prune.lock`).mode & 0o777).toBe(0o600);
  });
});
