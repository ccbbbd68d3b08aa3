import { expect, test } from "bun:test";
import { constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { close, openLocked } from "../../src/os/files.ts";
import { tempDir } from "../support/machine/temp.ts";

/** Of open(2): a descriptor that flock(2) refuses, as NFS does one that cannot be written. */
const O_PATH = 0o10000000;

test.each([
  ["for reading", constants.O_RDONLY, constants.O_RDONLY],
  ["for writing where the lock needs that, as on NFS", O_PATH, constants.O_RDWR],
])("openLocked opens a file %s", (_, first, last) => {
  using temp = tempDir();
  const path = `${temp.path}/lock`;
  writeFileSync(path, "");
  const open = (access: number): number =>
    openSync(path, access === constants.O_RDONLY ? first : access);
  const fd = openLocked(open)!;
  const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))![1]!;
  expect(Number.parseInt(flags, 8) & 3).toBe(last);
  expect(openLocked(open)).toBeUndefined();
  close(fd);
  close(openLocked(open)!);
});

test("openLocked says why a file cannot be locked", () => {
  using temp = tempDir();
  const path = `${temp.path}/lock`;
  writeFileSync(path, "");
  expect(() => openLocked(() => openSync(path, O_PATH))).toThrow("flock: EBADF");
});
