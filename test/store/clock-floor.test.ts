import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Calendar, type LocalTime } from "../../src/protocol/calendar.ts";
import { clockFloor, clockProblem, ClockWatch } from "../../src/store/clock-floor.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { createShared, Integer } from "../../src/shared/memory.ts";
import { FakeClock, UTC } from "../support/machine/fake-clock.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";

/** A data directory with date folders and dated logs of these days. */
function dataWith(folders: readonly string[], logs: readonly string[]): TempDir {
  const temp = tempDir();
  for (const folder of ["images", "logs"]) mkdirSync(join(temp.path, folder));
  for (const name of folders) mkdirSync(join(temp.path, "images", name));
  for (const name of logs) writeFileSync(join(temp.path, "logs", name), "");
  return temp;
}

const MADE_S = Date.UTC(2026, 5, 10, 23) / 1000;
const NOWHERE = new DataDirectory("/nowhere");

describe("clockFloor", () => {
  test.each<[what: string, folders: string[], logs: string[], madeS: number, floor: number]>([
    ["nothing is known", [], [], 0, 0],
    ["the program was made then", [], [], MADE_S, 20260608],
    ["there is one folder", ["2026-11-22"], [], MADE_S, 20261120],
    ["there is one log", [], ["imagehub.log.2026-03-01"], 0, 20260227],
    ["the program is newer than all", ["2026-05-01", "2026-05-02"], [], MADE_S, 20260608],
    [
      "folders and logs are of the same days",
      ["2026-11-22"],
      ["imagehub.log.2026-11-22"],
      0,
      20261120,
    ],
    [
      "two of five days are of a clock that was ahead",
      ["2026-11-18", "2026-11-20", "2026-11-21", "2026-11-22", "2099-01-01"],
      ["imagehub.log.2099-01-02", "imagehub.log.2026-11-22"],
      0,
      20261120,
    ],
    ["one of two is", ["2026-11-22", "2099-01-01"], [], 0, 20261120],
    [
      "many are of a clock that was behind",
      ["1970-01-01", "1970-01-02", "2026-11-22"],
      [],
      0,
      19700101,
    ],
    [
      "others bear other names",
      ["2026-11", "x", "2026-11-22.old"],
      ["imagehub.log", "imagehub.log.old"],
      0,
      0,
    ],
    ["a day is none", ["2026-99-99"], [], MADE_S, 20260608],
  ])(
    "is two days before what a right clock has passed when %s",
    (_, folders, logs, madeS, floor) => {
      using data = dataWith(folders, logs);
      expect(clockFloor(new DataDirectory(data.path), madeS)).toBe(floor);
    },
  );

  test("asks the program alone when nothing can be read", () => {
    expect(clockFloor(NOWHERE, MADE_S)).toBe(20260608);
  });
});

function local(iso: string): LocalTime {
  const calendar = new Calendar(FakeClock.at(iso));
  return calendar.local(calendar.now());
}

test("clockProblem names what the clock shows and when it must be, and nothing from then on", () => {
  expect(clockProblem(local("1970-01-01T00:00:10"), 20260608)).toBe(
    "The clock is wrong: it shows 1970-01-01, but today is 2026-06-08 or later. Images are stored under the wrong date",
  );
  expect(clockProblem(local("2026-06-07T23:59:59"), 20260608)).toContain("2026-06-07");
  expect(clockProblem(local("2026-06-08T00:00:00"), 20260608)).toBeUndefined();
  expect(clockProblem(local("1970-01-01T00:00:10"), 0)).toBeUndefined();
});

test("ClockWatch says once that the clock is wrong, and once that it is right again", () => {
  const said: string[] = [];
  const clock = FakeClock.at("1970-01-01T00:00:10", UTC);
  const shared = createShared(1);
  shared.integers[Integer.clockFloor] = 20260608;
  const log = {
    info: (text: string) => said.push(`info ${text}`),
    warn: (text: string) => said.push(`warn ${text}`),
  };
  const watch = new ClockWatch(NOWHERE, new Calendar(clock), shared, log, 0);
  const lookTwice = (iso: string): void => {
    clock.set(iso);
    for (let round = 0; round < 2; round++) watch.look();
  };
  for (const iso of [
    "1970-01-01T00:00:10",
    "2026-11-28T12:00:00",
    "2026-11-29T12:00:00",
    "2026-01-01T12:00:00",
  ])
    lookTwice(iso);
  expect(said).toEqual([
    expect.stringMatching(/^warn The clock is wrong: it shows 1970-01-01, .*NTP/),
    "info The clock is right again: it shows 2026-11-28",
    expect.stringMatching(/^warn The clock is wrong: it shows 2026-01-01, /),
  ]);
});
