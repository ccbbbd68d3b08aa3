import { expect, test } from "bun:test";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageMember, logMember } from "../../src/archive/layout.ts";
import { storedS } from "../../src/replicate/times.ts";
import { tempDir } from "../support/machine/temp.ts";

const DATE = "2021-09-23";

/** As a program without a zone would work it out. */
const local = (hour: number, minute: number, second: number): number =>
  new Date(2021, 8, 23, hour, minute, second).getTime() / 1000;

test.each([
  ["Barn-2021-09-23T16.58.47.490303.jpg", local(16, 58, 47) + 0.490303],
  ["Barn-2021-09-23T00.00.00.jpg", local(0, 0, 0)],
])("storedS is the time in the name %s", (name, seconds) => {
  expect(storedS(imageMember(DATE, name), DATE, -1)).toBeCloseTo(seconds, 5);
});

test.each([
  ["", local(0, 0, 0)],
  ["nonsense\n", local(0, 0, 0)],
  [`${DATE} 08:00:00,001 ~ a\n${DATE} 23:59:58,500 ~ b\nnone\n`, local(23, 59, 58) + 0.5],
  [`${"x".repeat(70_000)}\n${DATE} 10:00:00,000 ~ c\n`, local(10, 0, 0)],
])("storedS is the time of the last record of an event log", (text, seconds) => {
  using temp = tempDir();
  const path = join(temp.path, "log");
  writeFileSync(path, text);
  const fd = openSync(path, "r");
  try {
    expect(storedS(logMember(DATE), DATE, fd)).toBeCloseTo(seconds, 5);
  } finally {
    closeSync(fd);
  }
});
