import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readManifest, writeManifest } from "../../src/archive/manifest.ts";
import { Folder } from "../../src/os/folder.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";

const DATE = "2021-09-23";
const PATH = `images/${DATE}/Barn-2021-09-23T10.00.00.000000.jpg`;
const LOG = `logs/imagehub.log.${DATE}`;
const SUM = "0123456789abcdef".repeat(4);
const OTHER = "f".repeat(64);

let temp: TempDir;
let archive: Folder;
forEachTest(tempDir, (made) => (temp = made));
forEachTest(
  () => Folder.open(temp.path),
  (made) => (archive = made),
);

function put(text: string): void {
  mkdirSync(join(temp.path, "manifests"), { recursive: true });
  writeFileSync(join(temp.path, `manifests/${DATE}.sha256`), text);
}

test("a manifest is read as it was written, in the order of its paths", async () => {
  const sums = new Map([
    [LOG, OTHER],
    [PATH, SUM],
  ]);
  writeManifest({ folder: archive, unfinished: ".incoming-test" }, DATE, sums);
  const text = await Bun.file(join(temp.path, `manifests/${DATE}.sha256`)).text();
  expect(text).toBe(`${SUM}  ${PATH}\n${OTHER}  ${LOG}\n`);
  const manifest = readManifest(archive, DATE)!;
  expect(manifest.sums).toEqual(sums);
  expect(Math.abs(manifest.madeS - Date.now() / 1000)).toBeLessThan(60);
  writeManifest({ folder: archive, unfinished: ".incoming-test" }, DATE, new Map([[PATH, OTHER]]));
  expect(readManifest(archive, DATE)?.sums.get(PATH)).toBe(OTHER);
});

test("a manifest of sha256sum --binary is read", () => {
  put(`${SUM} *${PATH}\n`);
  expect(readManifest(archive, DATE)?.sums.get(PATH)).toBe(SUM);
});

test("a day without a manifest has none", () => {
  expect(readManifest(archive, DATE)).toBeUndefined();
  mkdirSync(join(temp.path, "manifests"));
  expect(readManifest(archive, DATE)).toBeUndefined();
});

test.each([
  "",
  "\n",
  `${SUM}  ${PATH}`,
  `${SUM}  ${PATH}\n${SUM}  ${PATH}\n`,
  `${SUM}  ${PATH}\n\0\0\0\n`,
  `${SUM.slice(1)}  ${PATH}\n`,
  `${SUM}  images/2021-09-24/Barn-2021-09-24T10.00.00.000000.jpg\n`,
  `${SUM}  ../../etc/passwd\n`,
  "no manifest\n",
])("a manifest that is damaged is refused: %j", (text) => {
  put(text);
  expect(() => readManifest(archive, DATE)).toThrow(
    `${temp.path}/manifests/${DATE}.sha256 is damaged. If the images`,
  );
});
