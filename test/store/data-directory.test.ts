import { describe, expect, test } from "bun:test";
import { basename } from "node:path";
import {
  DataDirectory,
  dateOf,
  dayOf,
  dayOfLog,
  isImageFile,
  isTemporary,
  Part,
  temporaryIn,
} from "../../src/store/data-directory.ts";

const data = new DataDirectory("/data");

describe("DataDirectory", () => {
  test("knows where everything stands", () => {
    expect([data.path, data.images, data.logs]).toEqual(["/data", "/data/images", "/data/logs"]);
    expect(data.folders[Part.images]).toBe(data.images);
    expect(data.folders[Part.logs]).toBe(data.logs);
    expect(data.dateFolder("2018-12-30")).toBe("/data/images/2018-12-30");
    expect(data.eventLog).toBe("/data/logs/imagehub.log");
    expect(data.datedLog(20181230)).toBe("/data/logs/imagehub.log.2018-12-30");
    expect(data.lock).toBe("/data/.imagehub.lock");
  });

  test("gives names that tell what they are", () => {
    expect(dayOf(basename(data.dateFolder("2018-12-30")))).toBe(20181230);
    expect(dayOfLog(basename(data.datedLog(20181230)))).toBe(20181230);
    expect(isTemporary(basename(temporaryIn(data.path, "1-2-3")))).toBe(true);
  });
});

test.each([
  ["Barn-2026-01-02T03.04.05.000042.jpg", true],
  ["Barn-2026-01-02T03.04.05.000042.png", true],
  ["x.jpg", true],
  ["a\nb.png", true],
  [".hidden.jpg", false],
  [".incoming-1-2-3", false],
  [".png", false],
  ["notes.txt", false],
  ["jpg", false],
  ["x.png.part", false],
])("isImageFile tells what counts as an image: %j", (name, isImage) => {
  expect(isImageFile(name)).toBe(isImage);
});

test.each([
  ["2018-12-30", 20181230],
  ["0001-01-01", 10101],
  ["2024-02-29", 20240229],
])("dayOf and dateOf turn %j into a number and back", (date, day) => {
  expect(dayOf(date)).toBe(day);
  expect(dateOf(day)).toBe(date);
});

test.each([
  "",
  "2026-11",
  "2026-11-22.old",
  "x2026-11-22",
  "2026-11-22\n",
  "20261122",
  "zzz",
  "2026-10-99",
  "2026-13-01",
  "2026-02-30",
  "2025-02-29",
  "2026-00-10",
])("dayOf knows no day when the name is %j", (name) => {
  expect(dayOf(name)).toBeUndefined();
});

test.each([
  ["imagehub.log.2018-12-30", 20181230],
  ["imagehub.log", undefined],
  ["imagehub.log.", undefined],
  ["imagehub.log.old", undefined],
  ["imagehub.log.2018-12-30.gz", undefined],
  ["imagehub_log.2018-12-30", undefined],
  ["2018-12-30", undefined],
])("dayOfLog tells the day of a dated log: %j", (name, day) => {
  expect(dayOfLog(name)).toBe(day as number);
});

test.each([
  [".incoming-1-2-3", true],
  ["incoming-1.jpg", false],
  [".hidden", false],
  ["imagehub.log", false],
])("isTemporary tells what is not finished: %j", (name, isIt) => {
  expect(isTemporary(name)).toBe(isIt);
});
