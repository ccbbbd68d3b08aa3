import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";
import { Part } from "../../src/store/data-directory.ts";
import { DataDirectoryGone } from "../../src/store/data-guard.ts";
import { flush, flushTasks } from "../../src/store/flush.ts";
import { tempDir } from "../support/machine/temp.ts";
import { guardAt } from "../support/store/data-guard.ts";

const settingsFor = (directory: string, ack: Settings["ack"] = "stored"): Settings => ({
  ...defaultSettings(),
  data_directory: directory,
  ack,
});

/** A data directory, one of whose folders may be in memory, which is another disk. */
function newData(elsewhere?: "images" | "logs"): Disposable & { readonly path: string } {
  const stack = new DisposableStack();
  const { path } = stack.use(tempDir());
  for (const folder of ["images", "logs"]) {
    if (folder !== elsewhere) {
      mkdirSync(join(path, folder));
      continue;
    }
    const memory = mkdtempSync("/dev/shm/imagehub-test-");
    stack.defer(() => rmSync(memory, { recursive: true }));
    symlinkSync(memory, join(path, folder));
  }
  return { path, [Symbol.dispose]: () => stack.dispose() };
}

const isOtherDisk = (path: string): boolean => statSync(path).dev !== statSync("/dev/shm").dev;

test("flushTasks is one task where all is on one disk", () => {
  using data = newData();
  const folders = [data.path, join(data.path, "images"), join(data.path, "logs")];
  expect(flushTasks(settingsFor(data.path))).toEqual([{ part: Part.images, folders }]);
});

test.each([
  ["images", [["images"], ["", "logs"]]],
  ["logs", [["", "images"], ["logs"]]],
] as const)("flushTasks is two tasks where %s are on another disk", (elsewhere, folders) => {
  using data = newData(elsewhere);
  expect(isOtherDisk(data.path)).toBe(true);
  const [images, logs] = folders.map((each) => each.map((folder) => join(data.path, folder)));
  expect(flushTasks(settingsFor(data.path))).toEqual([
    { part: Part.images, folders: images! },
    { part: Part.logs, folders: logs! },
  ]);
});

test("flushTasks is one task with synced, where nothing is to be flushed", () => {
  using data = newData("logs");
  expect(flushTasks(settingsFor(data.path, "synced"))).toHaveLength(1);
});

test("flush passes over a folder that is gone, and refuses a directory that is another one", () => {
  using data = newData();
  const directory = guardAt(data.path);
  const [task] = flushTasks(settingsFor(data.path));
  flush(directory, task!);
  rmSync(join(data.path, "images"), { recursive: true });
  flush(directory, task!);
  renameSync(data.path, `${data.path}-moved`);
  mkdirSync(data.path);
  expect(() => flush(directory, task!)).toThrow(DataDirectoryGone);
  rmSync(`${data.path}-moved`, { recursive: true });
});
