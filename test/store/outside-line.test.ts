import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Calendar, systemClock } from "../../src/protocol/calendar.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { appendOutside } from "../../src/store/outside-line.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { tempDir } from "../support/machine/temp.ts";

let directory: DataDirectory;
forEachTest(tempDir, ({ path }) => {
  directory = new DataDirectory(path);
  mkdirSync(directory.logs);
});

const FIRST = "2021-09-23 10:00:00,000 ~ Barn|Temp|7";
const LINE = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3} ~ Pruned 1 day$/;

/** Appends a line to a log with this content. @returns its lines */
function append(before: string | undefined): string[] {
  if (before !== undefined) writeFileSync(directory.eventLog, before);
  appendOutside(directory, new Calendar(systemClock), "Pruned 1 day");
  return readFileSync(directory.eventLog, "utf8").split("\n");
}

test.each([
  ["to a log", `${FIRST}\n`, [FIRST]],
  ["to a new log", undefined, []],
  ["after a line that was cut off", FIRST.slice(0, 20), [FIRST.slice(0, 20)]],
  ["after what a power cut leaves", `${FIRST}\0\0\0`, [FIRST]],
])("appendOutside adds a line of its own %s", (_, before, expected) => {
  const lines = append(before);
  expect(lines.slice(0, -2)).toEqual(expected);
  expect(lines.at(-2)).toMatch(LINE);
  expect(lines.at(-1)).toBe("");
});
