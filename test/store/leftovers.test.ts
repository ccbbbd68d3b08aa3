import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { clearLeftovers } from "../../src/store/leftovers.ts";
import { startHub } from "../support/hub.ts";
import { linesWith } from "../support/hub-output.ts";
import { tempDir, type TempDir } from "../support/temp.ts";

setDefaultTimeout(120_000);

let temp: TempDir;

beforeEach(() => {
  temp = tempDir();
});

afterEach(() => {
  temp[Symbol.dispose]();
});

function make(...names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(dirname(join(temp.path, name)), { recursive: true });
    writeFileSync(join(temp.path, name), "x");
  }
}

/** All files, sorted. */
const files = (): string[] =>
  readdirSync(temp.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(temp.path.length + 1))
    .toSorted();

/** What a crash leaves on a file system without O_TMPFILE. */
const LEFT = [
  "images/2026-11-19/.incoming-77-3-0",
  "images/2026-11-20/.incoming-77-3-1",
  "images/2026-11-21/.incoming-77-3-2",
  "images/2026-11-22/.incoming-78-3-0",
  "images/2026-11-22/.incoming-78-4-1",
  "logs/.incoming-78-4-2",
  ".incoming-78-4-3",
];

const OTHERS = [
  // Older than those that are looked into.
  "images/2026-11-18/.incoming-1-1-1",
  "images/2026-11-22/Barn-2026-11-22T10.00.00.000000.jpg",
  "images/2026-11-22/incoming-1.jpg",
  "images/2026-11-22/.hidden",
  "images/2026-11-22/deeper/.incoming-1-1-1",
  // No date folders.
  "images/.incoming-1-1-1",
  "images/9999/.incoming-1-1-1",
  "images/2026-11-22.old/.incoming-1-1-1",
  "images/zzz/.incoming-1-1-1",
  "logs/imagehub.log",
  "logs/imagehub.log.2026-11-21",
];

describe("clearLeftovers", () => {
  test("removes hidden temporary files of the newest date folders and of logs, and nothing else", () => {
    make(...LEFT, ...OTHERS);
    expect(clearLeftovers(temp.path)).toBe(LEFT.length);
    expect(files()).toEqual(OTHERS.toSorted());
    expect(clearLeftovers(temp.path)).toBe(0);
  });

  test("finds nothing where there is nothing", () => {
    expect(clearLeftovers(temp.path)).toBe(0);
    mkdirSync(join(temp.path, "images"));
    expect(clearLeftovers(temp.path)).toBe(0);
  });

  test("passes over what is no folder", () => {
    make("images/2026-11-22", "logs/.incoming-1-1-1");
    expect(clearLeftovers(temp.path)).toBe(1);
    expect(files()).toEqual(["images/2026-11-22"]);
  });
});

test("a hub removes what an earlier one left at its start, and counts it in one line", async () => {
  make(...[...LEFT, ...OTHERS].map((name) => `imagehub_data/${name}`));
  {
    await using hub = await startHub({ dir: temp.path });
    expect(linesWith(hub, "unfinished")).toHaveLength(1);
    expect(linesWith(hub, "unfinished")[0]).toEndWith(
      ` warn  Removed ${LEFT.length} unfinished files that an earlier run left`,
    );
  }
  await using hub = await startHub({ dir: temp.path });
  expect(linesWith(hub, "unfinished")).toEqual([]);
  const left = files().filter((name) => name.includes(".incoming"));
  expect(left).toEqual(
    OTHERS.filter((name) => name.includes(".incoming"))
      .map((name) => `imagehub_data/${name}`)
      .toSorted(),
  );
});
