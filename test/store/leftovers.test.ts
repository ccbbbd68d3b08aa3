import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { clearLeftovers } from "../../src/store/leftovers.ts";
import { FaultHub } from "../faults/hub.ts";
import { judge, problemsOf } from "../faults/judge.ts";
import { Senders } from "../faults/senders.ts";
import { lacks, PARTS } from "../../scripts/lib/available.ts";
import { startHub } from "../support/hub/hub.ts";
import { linesWith } from "../support/hub/output.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { forEachTest } from "../support/for-each-test.ts";

setDefaultTimeout(120_000);

/** The executable of this machine. */
const NATIVE = process.arch === "arm64" ? "arm64" : "x64";

/** A user that is not root, by its number. */
const NOBODY = 65_534;

let temp: TempDir;

forEachTest(tempDir, (made) => (temp = made));

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
    expect(clearLeftovers(new DataDirectory(temp.path))).toEqual({
      removed: LEFT.length,
      failures: [],
    });
    expect(files()).toEqual(OTHERS.toSorted());
    expect(clearLeftovers(new DataDirectory(temp.path))).toEqual({ removed: 0, failures: [] });
  });

  test("finds nothing where there is nothing", () => {
    expect(clearLeftovers(new DataDirectory(temp.path))).toEqual({ removed: 0, failures: [] });
    mkdirSync(join(temp.path, "images"));
    expect(clearLeftovers(new DataDirectory(temp.path))).toEqual({ removed: 0, failures: [] });
  });

  test("passes over what is no folder", () => {
    make("images/2026-11-22", "logs/.incoming-1-1-1");
    expect(clearLeftovers(new DataDirectory(temp.path))).toEqual({ removed: 1, failures: [] });
    expect(files()).toEqual(["images/2026-11-22"]);
  });

  test("goes on behind what it cannot remove, or look into", () => {
    make(...LEFT);
    // No file, so it is not removed as one.
    const folders = ["images/2026-11-22/.incoming-1-1-1", ".incoming-1-1-2"];
    for (const name of folders) mkdirSync(join(temp.path, name));
    // A day that nobody can look into.
    symlinkSync("2026-11-23", join(temp.path, "images/2026-11-23"));
    const { removed, failures } = clearLeftovers(new DataDirectory(temp.path));
    expect(removed).toBe(LEFT.length - 1);
    expect(failures).toHaveLength(3);
    for (const name of [...folders, "images/2026-11-23"])
      expect(failures.filter((text) => text.includes(join(temp.path, name)))).toHaveLength(1);
  });
});

test("a hub removes what an earlier one left at its start, and counts it in one line", async () => {
  make(...[...LEFT, ...OTHERS].map((name) => `imagehub_data/${name}`));
  {
    await using hub = await startHub({ dir: temp.path });
    expect(linesWith(hub, "unfinished")).toHaveLength(1);
    expect(linesWith(hub, "unfinished")[0]).toEndWith(
      ` warn  Removed ${LEFT.length} unfinished files of an earlier run`,
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

// A root that may do no more than others: what belongs to another user is to it as root's is to the
// hub's user.
describe.skipIf(lacks("python", ...PARTS[NATIVE]) || process.getuid?.() !== 0)(
  "a hub with folders of another user",
  () => {
    test("starts, says it and stores, though it can neither look into an old folder nor remove what is left", async () => {
      const data = join(temp.path, "data");
      make(
        "data/images/2026-11-20/.incoming-1-1-1",
        "data/images/2026-11-21/.incoming-1-1-1",
        "data/.incoming-1-1-2",
      );
      for (const day of ["2026-11-20", "2026-11-21"])
        chownSync(join(data, "images", day), NOBODY, NOBODY);
      chmodSync(join(data, "images/2026-11-20"), 0o700);
      await using hub = new FaultHub({
        program: NATIVE,
        data,
        before: ["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
      });
      await hub.start();
      expect(hub.output).toContain("Removed 1 unfinished files");
      expect(hub.output).toMatch(
        /Cannot find or remove unfinished files of an earlier run: EACCES.*, and 1 more like it/,
      );
      await using senders = new Senders(hub.address, { images: 1, events: 1 });
      expect(await senders.firstOk(0, "image")).toBeDefined();
      expect(problemsOf(judge(data, await senders.stop()))).toEqual([]);
      expect(await hub.stop()).toBe(0);
    });
  },
);
