import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { WorkLock } from "../../src/store/work-lock.ts";
import { tempDir } from "../support/machine/temp.ts";

test("one holds the lock of each work at a time", () => {
  using temp = tempDir();
  mkdirSync(`${temp.path}/images`);
  const directory = new DataDirectory(temp.path);
  {
    using first = WorkLock.tryToTake(directory, "prune");
    expect(first).toBeDefined();
    expect(WorkLock.tryToTake(directory, "prune")).toBeUndefined();
    using other = WorkLock.tryToTake(directory, "archive");
    expect(other).toBeDefined();
  }
  using next = WorkLock.tryToTake(directory, "prune");
  expect(next).toBeDefined();
});
