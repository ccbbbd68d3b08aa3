import { describe, expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { indexOf } from "../../src/archive/tar-index.ts";
import { run } from "../support/archive/days.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";

let temp: TempDir;
forEachTest(tempDir, (made) => (temp = made));

const NAMES = [
  "images/2021-09-23/a.jpg",
  `images/2021-09-23/${"x".repeat(120)}.jpg`,
  `images/2021-09-23/${"é".repeat(110)}.jpg`,
  `${"d".repeat(90)}/${"n".repeat(90)}`,
  "logs/empty",
];

/** A tar of GNU tar. */
function make(...options: string[]): string {
  for (const name of NAMES) {
    mkdirSync(dirname(join(temp.path, "in", name)), { recursive: true });
    writeFileSync(join(temp.path, "in", name), name.endsWith("empty") ? "" : name.repeat(20));
  }
  const path = join(temp.path, "made.tar");
  run(
    join(temp.path, "in"),
    "tar",
    "--create",
    `--file=${path}`,
    ...options,
    "images",
    "logs",
    "d".repeat(90),
  );
  return path;
}

function index(path: string) {
  const fd = openSync(path, "r");
  try {
    return indexOf(fd, path);
  } finally {
    closeSync(fd);
  }
}

describe("indexOf", () => {
  test.each<string[]>([
    ["--format=gnu"],
    ["--format=pax"],
    ["--format=posix", "--pax-option=comment=x"],
  ])("finds the files in a tar that was made with %s", (...options) => {
    const path = make(...options);
    const bytes = readFileSync(path);
    const found = [...index(path)].map(
      ([name, { at, size }]) => [name, bytes.toString("utf8", at, at + size)] as const,
    );
    expect(new Map(found)).toEqual(
      new Map(NAMES.map((name) => [name, name.endsWith("empty") ? "" : name.repeat(20)])),
    );
  });

  test("refuses one that is cut off, wherever that is", () => {
    const path = make("--format=pax", "--blocking-factor=1");
    const { byteLength } = readFileSync(path);
    // Without the last of the two blocks of zeros it is whole.
    for (let end = byteLength - 1025; end > 0; end -= 1111) {
      truncateSync(path, end);
      expect(() => index(path)).toThrow("is cut off. If the images");
    }
  });

  test("refuses what is no tar", () => {
    const path = join(temp.path, "no.tar");
    writeFileSync(path, "x".repeat(5000));
    expect(() => index(path)).toThrow(`${path} is damaged, or is no tar. If the images`);
    writeFileSync(path, "");
    expect(() => index(path)).toThrow("is cut off");
  });

  test("refuses one with a header that has changed", () => {
    const path = make("--format=pax");
    const bytes = readFileSync(path);
    bytes[bytes.indexOf("logs/empty")] = 0x40;
    writeFileSync(path, bytes);
    expect(() => index(path)).toThrow("is damaged");
  });

  test("knows sizes from 8 GiB on", () => {
    const big = join(temp.path, "in", "big");
    mkdirSync(dirname(big));
    writeFileSync(big, "");
    truncateSync(big, 9 * 2 ** 30);
    for (const format of ["gnu", "pax"]) {
      const path = join(temp.path, `${format}.tar`);
      // A tar with a hole in it: only its header is written.
      run(dirname(big), "sh", "-c", `tar --create --format=${format} big | head -c 4096 > ${path}`);
      truncateSync(path, 9 * 2 ** 30 + 20_480);
      expect(index(path).get("big")?.size).toBe(9 * 2 ** 30);
    }
  });
});
