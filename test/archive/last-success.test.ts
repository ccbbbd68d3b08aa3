import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lastSuccess, noteSuccess } from "../../src/archive/last-success.ts";
import { tempDir } from "../support/machine/temp.ts";
import { dataDirectory } from "../support/store/days.ts";

const AT = Date.parse("2021-09-23T12:00:00.000Z");
const MINUTE = 60_000;

test("noteSuccess notes when a round ended well, at most once an hour", () => {
  using temp = tempDir();
  const directory = dataDirectory(join(temp.path, "data"));
  expect(lastSuccess(directory)).toBeUndefined();
  noteSuccess(directory, AT);
  expect(readFileSync(join(directory.own, "archive-success"), "utf8")).toBe(
    "2021-09-23T12:00:00.000Z\n",
  );
  noteSuccess(directory, AT + 59 * MINUTE);
  expect(lastSuccess(directory)).toBe(AT);
  noteSuccess(directory, AT + 60 * MINUTE);
  expect(lastSuccess(directory)).toBe(AT + 60 * MINUTE);
  // The clock was ahead.
  noteSuccess(directory, AT);
  expect(lastSuccess(directory)).toBe(AT);
});

test("noteSuccess does without where it cannot be noted, or is damaged", () => {
  using temp = tempDir();
  const directory = dataDirectory(join(temp.path, "data"));
  mkdirSync(directory.own);
  writeFileSync(join(directory.own, "archive-success"), "x");
  expect(lastSuccess(directory)).toBeUndefined();
  rmSync(directory.own, { recursive: true });
  writeFileSync(directory.own, "no folder");
  noteSuccess(directory, AT);
  expect(lastSuccess(directory)).toBeUndefined();
});
