import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { formatRound } from "../../src/cli/archive.ts";
import { EXIT } from "../../src/errors.ts";
import { WorkLock } from "../../src/store/work-lock.ts";
import { JPEG, judge } from "../support/archive/days.ts";
import { Home } from "../support/archive/home.ts";
import { forEachTest } from "../support/for-each-test.ts";

setDefaultTimeout(120_000);

const DAY = "2021-09-23";

let home: Home;
forEachTest(
  () => new Home(),
  (made) => (home = made),
);

describe("imagehub archive", () => {
  test("archives all days that are over", async () => {
    home.image(DAY, "Barn");
    home.image("2021-09-24", "Gate");
    home.put(join(home.directory.dateFolder(DAY), "notes.txt"), "x");
    expect(await home.cli("archive")).toEqual({
      status: EXIT.ok,
      stdout:
        `Copied 2 files (130.5 kB) to ${home.archive}: 2 days archived (${DAY}, 2021-09-24)\n` +
        "Left out, as they are not the hub's: 1 file\n",
      stderr: "",
    });
    expect(judge(home.archive)).toHaveLength(2);
    expect(await home.cli("archive")).toEqual({
      status: EXIT.ok,
      stdout: `Nothing to do: ${home.archive} has every file of these days\n`,
      stderr: "",
    });
  });

  test("archives the days that are named, as tar if so set", async () => {
    home.format = "tar";
    home.image(DAY, "Barn");
    home.image("2021-09-24", "Gate");
    const { stdout } = await home.cli("archive", DAY, "--json");
    expect(JSON.parse(stdout)).toEqual({
      dry_run: false,
      days: [DAY],
      files: 1,
      bytes: JPEG.byteLength,
      mended: 0,
      foreign: 0,
      problems: [],
      stopped: false,
      away: false,
      taken_over: null,
    });
    expect(home.names()).toContain(`${DAY}.tar`);
    expect(judge(home.archive)).toHaveLength(1);
  });

  test("says what it would do", async () => {
    home.image(DAY, "Barn");
    const { stdout } = await home.cli("archive", "--dry-run");
    expect(stdout).toBe(`Would copy 1 file (65.3 kB) to ${home.archive}: 1 day (${DAY})\n`);
    expect(home.names()).toEqual([]);
  });

  test("makes an archive with --init", async () => {
    rmSync(home.archive, { recursive: true });
    home.image(DAY, "Barn");
    const refused = await home.cli("archive");
    expect(refused).toMatchObject({ status: EXIT.failure, stdout: "" });
    expect(refused.stderr).toContain("or make it with: imagehub archive --init");
    expect(existsSync(home.archive)).toBe(false);
    const rehearsed = await home.cli("archive", "--init", "--dry-run");
    expect(rehearsed.stdout).toBe(`${home.archive} would become an archive\n`);
    expect(existsSync(home.archive)).toBe(false);
    const made = await home.cli("archive", "--init");
    expect(made).toEqual({
      status: EXIT.ok,
      stdout: `${home.archive} is now an archive\n`,
      stderr: "",
    });
    expect((await home.cli("archive", "--init")).stdout).toContain("is already an archive");
    expect((await home.cli("archive")).status).toBe(EXIT.ok);
    expect((await home.cli("archive", "--init", DAY)).status).toBe(EXIT.usage);
  });

  test("leaves the work to whoever is at it", async () => {
    using lock = WorkLock.tryToTake(home.directory, "archive");
    expect(lock).toBeDefined();
    expect(await home.cli("archive")).toEqual({
      status: EXIT.failure,
      stdout: "",
      stderr:
        "The hub, or another command, is working on the archive right now; try again when it is done\n",
    });
  });

  test.each([
    ["yesterday", EXIT.usage, 'The day is "yesterday", must be a date such as 2018-12-30'],
    ["2999-01-01", EXIT.usage, "2999-01-01 is not over yet; today is "],
    ["2001-01-01", EXIT.failure, "Cannot archive 2001-01-01: nothing is stored of it"],
  ])("refuses the day %s", async (day, status, message) => {
    const result = await home.cli("archive", day);
    expect(result.status).toBe(status);
    expect(result.stderr).toStartWith(message);
  });

  test("says what is missing: the settings, or the data", async () => {
    const { status, stderr } = await home.cli("archive", "--data", join(home.path, "none"));
    expect([status, stderr]).toEqual([
      EXIT.data,
      expect.stringContaining("--data names another data directory"),
    ]);
    home.archive = "";
    expect(await home.cli("archive")).toEqual({
      status: EXIT.config,
      stdout: "",
      stderr: "There is no archive: set hub.archive.directory in imagehub.yaml\n",
    });
  });
});

test.each([
  [{}, false, "Copied 1 file (1.0 kB) to /archive again; no day is new\n"],
  [
    { mended: 1 },
    true,
    "Would copy 1 file (1.0 kB) to /archive again; no day is new\nOf these, damaged in the archive: 1 file\n",
  ],
  [{ problems: ["x"] }, false, "Copied 1 file (1.0 kB) to /archive: no further day is whole\n"],
  [
    { takenOver: "It was that of another name" },
    false,
    "It was that of another name\nCopied 1 file (1.0 kB) to /archive again; no day is new\n",
  ],
])("formatRound tells what is copied again, and where from: %p", (more, isDryRun, text) => {
  const round = {
    days: [],
    files: 1,
    bytes: 1000,
    mended: 0,
    foreign: 0,
    problems: [],
    isStopped: false,
    isAway: false,
    ...more,
  };
  expect(formatRound(round, "/archive", isDryRun)).toBe(text);
});

test("formatRound says that it was stopped, and not that there is nothing to do", () => {
  const round = {
    days: [],
    files: 0,
    bytes: 0,
    mended: 0,
    foreign: 0,
    problems: [],
    isStopped: true,
    isAway: false,
  };
  expect(formatRound(round, "/archive", false)).toBe("Stopped; the next run continues\n");
});
