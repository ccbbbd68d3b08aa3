import { expect, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { contentOf, copyFile, ReadError, replaceFile, sumOf } from "../../src/archive/content.ts";
import { Folder } from "../../src/os/folder.ts";
import { run } from "../support/archive/days.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";

let temp: TempDir;
let folder: Folder;
forEachTest(tempDir, (made) => (temp = made));
forEachTest(
  () => Folder.open(temp.path),
  (made) => (folder = made),
);

/** Opens a file with this text for a test. */
function withFile<T>(bytes: Uint8Array, use: (fd: number, path: string) => T): T {
  const path = join(temp.path, "source");
  writeFileSync(path, bytes);
  const fd = openSync(path, "r");
  try {
    return use(fd, path);
  } finally {
    closeSync(fd);
  }
}

const big = Buffer.alloc(700_000, "0123456789");

const copyOf = (fd: number, more = {}) => ({
  content: contentOf(fd),
  modifiedS: 1_632_391_200.5,
  place: folder,
  unfinished: ".incoming-test",
  folder,
  name: "copy",
  ...more,
});

test("sumOf is what sha256sum prints, also of a part", () => {
  withFile(big, (fd, path) => {
    expect(sumOf(contentOf(fd))).toBe(run("/", "sha256sum", path).split(" ")[0]!);
    const part = sumOf({ fd, at: 10, size: 300_000 });
    expect(part).toBe(
      new Bun.CryptoHasher("sha256").update(big.subarray(0, 300_000)).digest("hex"),
    );
  });
});

test("sumOf fails if the file is shorter than it was", () => {
  withFile(big, (fd, path) => {
    const content = contentOf(fd);
    truncateSync(path, 400_000);
    expect(() => sumOf(content)).toThrow(new ReadError("it is shorter than it was"));
  });
});

test("copyFile gives the whole file its name, and keeps its time", () => {
  withFile(big, (fd) => expect(copyFile(copyOf(fd))).toBe(sumOf(contentOf(fd))));
  expect(readFileSync(join(temp.path, "copy"))).toEqual(big);
  expect(folder.entry("copy")?.modifiedS).toBe(1_632_391_200.5);
  expect(readdirSync(temp.path).toSorted()).toEqual(["copy", "source"]);
});

test("copyFile replaces nothing", () => {
  writeFileSync(join(temp.path, "copy"), "first");
  withFile(big, (fd) => expect(copyFile(copyOf(fd))).toBeUndefined());
  expect(readFileSync(join(temp.path, "copy"), "utf8")).toBe("first");
  expect(readdirSync(temp.path).toSorted()).toEqual(["copy", "source"]);
});

const write = (name: string, text: string): void =>
  replaceFile(folder, ".incoming-test", folder, name, text);

test("replaceFile replaces the whole file, and leaves nothing of one that it cannot place", () => {
  write("small", "first");
  write("small", "second");
  expect(readFileSync(join(temp.path, "small"), "utf8")).toBe("second");
  mkdirSync(join(temp.path, "a folder"));
  expect(() => write("a folder", "third")).toThrow("EISDIR");
  expect(readdirSync(temp.path).toSorted()).toEqual(["a folder", "small"]);
});

test("copyFile leaves nothing of a file with the wrong content", () => {
  withFile(big, (fd) => {
    expect(() => copyFile(copyOf(fd, { sum: "0".repeat(64) }))).toThrow(
      "its content is not that of the manifest",
    );
  });
  expect(readdirSync(temp.path)).toEqual(["source"]);
});
