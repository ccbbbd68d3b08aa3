import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";
import { checkFor } from "../../src/archive/image-check.ts";
import { CHECKOUT } from "../../scripts/lib/available.ts";
import { JPEG } from "../support/archive/days.ts";

/** What the check says, when it sees the bytes in pieces of this size. */
function problemOf(bytes: Uint8Array, suffix: ".jpg" | ".png" = ".jpg", piece = 4096) {
  const check = checkFor(suffix);
  for (let at = 0; at < bytes.byteLength; at += piece)
    check.feed(Buffer.from(bytes.subarray(at, at + piece)));
  return check.problem();
}

const FIXTURES = join(CHECKOUT, "test/fixtures");

describe("a JPEG", () => {
  test.each(readdirSync(FIXTURES).filter((name) => name.endsWith(".jpg")))(
    "of a camera is whole: %s",
    (name) => {
      const bytes = readFileSync(join(FIXTURES, name));
      for (const piece of [1, 7, 4096, 1 << 20])
        expect(problemOf(bytes, ".jpg", piece)).toBeUndefined();
    },
  );

  test("is cut off wherever it ends too early", () => {
    for (let end = 3; end < JPEG.byteLength; end += 997)
      expect([end, problemOf(JPEG.subarray(0, end))]).toEqual([end, "is cut off"]);
    expect(problemOf(JPEG.subarray(0, -1))).toBe("is cut off");
  });

  test("is whole with what cameras add after its end", () => {
    for (const added of ["\0".repeat(600), "\xff".repeat(3), "\r\n", "a trailer of a telephone"])
      expect(problemOf(Buffer.concat([JPEG, Buffer.from(added, "latin1")]))).toBeUndefined();
  });

  test("is cut off although the small picture inside it is whole", () => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(2 + 2000);
    const small = Buffer.concat([JPEG.subarray(0, 1998), Buffer.from([0xff, 0xd9])]);
    const withSmall = Buffer.concat([
      JPEG.subarray(0, 2),
      Buffer.from([0xff, 0xe1]),
      length,
      small,
      JPEG.subarray(2),
    ]);
    expect(problemOf(withSmall)).toBeUndefined();
    expect(problemOf(withSmall.subarray(0, 2006))).toBe("is cut off");
    expect(problemOf(withSmall.subarray(0, 9000))).toBe("is cut off");
  });

  test("is cut off if its end is zeros, as after a power cut", () => {
    const bytes = Buffer.from(JPEG);
    bytes.fill(0, 40_000);
    expect(problemOf(bytes)).toBe("is cut off");
  });

  test.each([
    ["is empty", Buffer.alloc(0)],
    ["is no JPEG", Buffer.alloc(5000)],
    ["is no JPEG", Buffer.from("hello")],
    ["is no JPEG", Buffer.from([0xff])],
    ["is cut off", Buffer.from([0xff, 0xd8])],
  ])("%s: %j", (problem, bytes) => {
    expect(problemOf(bytes)).toBe(problem);
  });

  test("has an encoded byte that looks like the prefix of a marker", () => {
    const scan = [0xff, 0xda, 0, 2, 1, 0xff, 0, 0xff, 0xd3, 0xff, 0xff];
    const bytes = Buffer.from([0xff, 0xd8, ...scan, 0xd9]);
    expect([problemOf(bytes), problemOf(bytes.subarray(0, -1))]).toEqual([undefined, "is cut off"]);
  });
});

describe("a PNG", () => {
  const png = encode({ width: 30, height: 20, channels: 1, data: new Uint8Array(600) });

  test("is whole", () => {
    for (const piece of [1, 5, 4096]) expect(problemOf(png, ".png", piece)).toBeUndefined();
  });

  test("is cut off, no PNG, or empty", () => {
    expect(problemOf(png.subarray(0, -1), ".png", 5)).toBe("is cut off");
    expect(problemOf(JPEG, ".png")).toBe("is no PNG");
    expect(problemOf(png.subarray(0, 4), ".png")).toBe("is no PNG");
    expect(problemOf(new Uint8Array(), ".png")).toBe("is empty");
  });
});
