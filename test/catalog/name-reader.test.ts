import { expect, test } from "bun:test";
import { NameReader, NO_FRACTION } from "../../src/catalog/name-reader.ts";
import { IMAGE_SUFFIXES, parseImageFileName } from "../../src/protocol/names.ts";
import { mutateBytes, Random } from "../fuzz/random.ts";

const DATE = "2021-09-23";
const SEED = 20_210_923;

const NAMES = ["Barn", "Barn-Door", "T-2021-09-23T01.02.03", "Küche-車庫-📷", "x".repeat(229)];
const NO_NAMES = [
  "",
  ".",
  "-",
  "|",
  "a|b",
  "a b",
  "a\\b",
  "a\u0000b",
  "a\u0080b",
  "a\u2028b",
  "a\u202eb",
];
const BEGINNINGS = [...NAMES, ...NO_NAMES, "\ufeffa", "\ufffd"].map((text) => Buffer.from(text));
const DAMAGED = ["ff", "e29882e2", "c3", "f09f93", "eda080", "c0af", "61ff", "61fe", "c280"].map(
  (hex) => Buffer.from(hex, "hex"),
);
const TIMES = ["07.16.03.793690", "23.59.59", "00.00.00.000000", "19.00.00.1", "24.00.00.000000"];
const SUFFIXES = [".jpg", ".png", ".gif", ".JPG", ".jpeg", "jpg", ".jpg.bak", ".pnG", ""];

function anyName(random: Random): Buffer {
  const digits = random.list(15, () => random.pick(["0", "1", "2", "3", "5", "6", "9", ":", "/"]));
  for (const [at, length] of [
    [2, 1],
    [5, 1],
    [8, 1],
  ] as const)
    digits.splice(at, length, ".");
  const time = random.chance(0.5) ? random.pick(TIMES) : digits.join("");
  const date = random.chance(0.9) ? DATE : random.pick(["2021-09-24", "", "20210923"]);
  const suffix = random.chance(0.8) ? random.pick(IMAGE_SUFFIXES) : random.pick(SUFFIXES);
  const beginning = random.pick(random.chance(0.8) ? BEGINNINGS : DAMAGED);
  const name = Buffer.concat([beginning, Buffer.from(`-${date}T${time}${suffix}`)]);
  return random.chance(0.3) ? mutateBytes(random, name) : name;
}

/** What a reader has read last. */
function lastOf(reader: NameReader): ReturnType<typeof parseImageFileName> {
  const index = reader.count - 1;
  const form = reader.forms[index]!;
  return {
    camera: reader.cameras[reader.cameraOf[index]!]!,
    micros: reader.micros[index]!,
    hasFraction: (form & NO_FRACTION) === 0,
    suffix: IMAGE_SUFFIXES[form & ~NO_FRACTION]!,
  };
}

test("reads from bytes what is read from a string, whatever the name", () => {
  const reader = new NameReader(DATE);
  const found = { image: 0, foreign: 0 };
  for (let iteration = 0; iteration < 60_000; iteration++) {
    const random = Random.at(SEED, iteration);
    const name = anyName(random);
    const before = reader.count;
    // Within others' bytes, which are none of the name.
    const around = Buffer.from("-2021-09-23T00.00.00.000000.jpg");
    const start = random.chance(0.5) ? 0 : around.length;
    const bytes = start === 0 ? name : Buffer.concat([around, name, around]);
    reader.take(bytes, start, start + name.length);
    const read = reader.count === before ? undefined : lastOf(reader);
    const wanted = parseImageFileName(name.toString(), DATE);
    if (!Bun.deepEquals(read, wanted))
      expect([iteration, name.toString("latin1"), read]).toEqual([
        iteration,
        name.toString("latin1"),
        wanted,
      ]);
    found[wanted === undefined ? "foreign" : "image"]++;
  }
  expect(found.image).toBeGreaterThan(5000);
  expect(found.foreign).toBeGreaterThan(10_000);
  expect(new Set(reader.cameras).size).toBe(reader.cameras.length);
});

test("knows a camera again among thousands whose names have the same hash or length", () => {
  const reader = new NameReader(DATE);
  const cameras = Array.from({ length: 20_000 }, (_, index) => `Cam${String(index % 10_000)}`);
  for (const camera of cameras) {
    const name = Buffer.from(`${camera}-${DATE}T01.02.03.000004.png`);
    reader.take(name, 0, name.length);
  }
  expect(reader.cameras).toEqual(cameras.slice(0, 10_000));
  expect(Array.from(reader.cameraOf.subarray(0, reader.count))).toEqual(
    cameras.map((_, index) => index % 10_000),
  );
});
