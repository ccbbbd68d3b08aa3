import { afterEach, beforeEach, expect, test } from "bun:test";
import { EnoughFree } from "../../src/keep/enough.ts";
import type { Space } from "../../src/keep/space.ts";
import type { Entry } from "../../src/os/folder.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { dataDirectory } from "../support/store/days.ts";

const MB = 1e6;

/** An image that takes 1 MB. */
const image: Entry = {
  isFile: true,
  size: MB,
  allocated: MB,
  modifiedS: 0,
  links: 1,
  device: "8:1",
  inode: 1n,
};

let temp: TempDir;
let freeBytes: number;
/** How much less is free at each look. */
let falls: number;
let storedBytes: number;

beforeEach(() => {
  temp = tempDir();
  [freeBytes, falls, storedBytes] = [10 * MB, 0, 0];
});

afterEach(() => temp[Symbol.dispose]());

function enough(): EnoughFree {
  const look = (): Space => {
    freeBytes -= falls;
    return { freeBytes, sizeBytes: 1000 * MB, freeFiles: 1000, sizeFiles: 1000 };
  };
  return new EnoughFree(dataDirectory(temp.path), 100 * MB, false, () => storedBytes, look);
}

/** Whether it is futile after each of some deletions of 4 MB. */
function tries(count: number, of: EnoughFree, freed: (index: number) => number): boolean[] {
  return Array.from({ length: count }, (_, index) => {
    for (let images = 0; images < 4; images++) of.add(image);
    freeBytes += freed(index);
    return of.isFutile();
  });
}

test("a disk that gets nothing back is one after two tries", () => {
  expect(tries(3, enough(), () => 0)).toEqual([false, true, true]);
});

test("a disk that gets something back in between is none", () => {
  const freed = [0, MB, 0, MB, 0];
  expect(tries(5, enough(), (index) => freed[index]!)).toEqual(Array(5).fill(false));
});

test("nor is one from which another program takes what is freed", () => {
  falls = 1000;
  expect(tries(4, enough(), () => 0)).toEqual(Array(4).fill(false));
});

test("nor is one that cameras fill with what is freed", () => {
  expect(
    tries(4, enough(), () => {
      storedBytes += MB;
      return 0;
    }),
  ).toEqual(Array(4).fill(false));
});
