import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { countKept, keptDates, protectedNames } from "../../src/catalog/kept.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { tempDir } from "../support/machine/temp.ts";

const DAY = "2021-09-23";
const NAME = `Barn-${DAY}T10.00.01.000000.jpg`;

let directory: DataDirectory;

forEachTest(tempDir, ({ path }) => (directory = new DataDirectory(path)));

test("nothing is protected without the folder", () => {
  expect(keptDates(directory)).toEqual([]);
  expect(protectedNames(directory, DAY)).toEqual(new Set());
  mkdirSync(directory.kept);
  expect(protectedNames(directory, DAY)).toEqual(new Set());
  expect(countKept(directory, DAY)).toEqual({ images: 0, bytes: 0 });
});

test("names of images protect, whatever stands behind them; only files are counted", () => {
  mkdirSync(directory.keptFolder(DAY), { recursive: true });
  writeFileSync(`${directory.keptFolder(DAY)}/${NAME}`, "12345");
  writeFileSync(`${directory.keptFolder(DAY)}/notes.txt`, "12345");
  const link = NAME.replace("Barn", "Gate");
  symlinkSync("/nowhere", `${directory.keptFolder(DAY)}/${link}`);
  expect(protectedNames(directory, DAY)).toEqual(new Set([NAME, link]));
  expect(countKept(directory, DAY)).toEqual({ images: 1, bytes: 5 });
  expect(keptDates(directory)).toEqual([DAY]);
});

test.each([
  ["a link in place of kept", () => symlinkSync("/nowhere", directory.kept)],
  ["a file in place of kept", () => writeFileSync(directory.kept, "")],
  [
    "a link in place of the day",
    () => {
      mkdirSync(directory.kept);
      symlinkSync("/nowhere", directory.keptFolder(DAY));
    },
  ],
])("with %s nobody knows what is protected", (_, spoil) => {
  spoil();
  expect(() => protectedNames(directory, DAY)).toThrow("ENOTDIR");
});
