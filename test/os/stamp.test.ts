import { expect, test } from "bun:test";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { stampOf } from "../../src/os/stamp.ts";
import { Later } from "../support/machine/later.ts";
import { tempDir } from "../support/machine/temp.ts";

test("stampOf is the same while a folder is, and another one after a change", () => {
  using temp = tempDir();
  mkdirSync(`${temp.path}/day`);
  using _ = new Later();
  const first = stampOf(`${temp.path}/day`);
  expect(stampOf(`${temp.path}/day`)).toBe(first);
  writeFileSync(`${temp.path}/day/a`, "");
  expect(stampOf(`${temp.path}/day`)).not.toBe(first);
});

test("stampOf is another one each time just after a change, whose time may be that of the next", () => {
  using temp = tempDir();
  const path = `${temp.path}/day`;
  mkdirSync(path);
  expect(stampOf(path)).not.toBe(stampOf(path));
  // Somebody has set its time back.
  utimesSync(path, 1000, 1000);
  expect(stampOf(path)).not.toBe(stampOf(path));
});
