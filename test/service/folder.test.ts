import { describe, expect, test } from "bun:test";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { withFolder } from "../../src/service/folder.ts";
import { Machine } from "../../src/service/machine.ts";
import { tempDir } from "../support/machine/temp.ts";

const { uid, gid } =
  process.getuid?.() === 0
    ? { uid: 65_534, gid: 65_534 }
    : { uid: process.getuid!(), gid: process.getgid!() };
const OWNER = { name: "ops", group: "ops", uid, gid, home: "/home/ops" };

describe("withFolder", () => {
  test("makes what is not there for its owner, and leaves what is", () => {
    using temp = tempDir();
    const before = statSync(temp.path);
    withFolder(join(temp.path, "a/b"), (folder) => writeFileSync(join(folder, "file"), "x"), OWNER);
    for (const made of ["a", "a/b"]) {
      const found = statSync(join(temp.path, made));
      expect([found.uid, found.gid, found.mode & 0o777]).toEqual([OWNER.uid, OWNER.gid, 0o755]);
    }
    expect(readFileSync(join(temp.path, "a/b/file"), "utf8")).toBe("x");
    expect(statSync(temp.path)).toMatchObject({ uid: before.uid, mode: before.mode });
  });

  test("makes nothing when it is not to", () => {
    using temp = tempDir();
    expect(() => withFolder(join(temp.path, "a"), () => undefined)).toThrow("ENOENT");
    expect(readdirSync(temp.path)).toEqual([]);
  });

  // If mkdir were given the path, it would make the directory behind the link.
  test.each(["swapped", "swapped/below"])(
    "goes through no link that was put in the place of %p",
    (path) => {
      using temp = tempDir();
      for (const name of ["etc", "home"]) mkdirSync(join(temp.path, name));
      symlinkSync("../etc", join(temp.path, "home/swapped"));
      expect(() =>
        withFolder(join(temp.path, "home", path, "new"), () => undefined, OWNER),
      ).toThrow(/ENOTDIR|ELOOP/);
      expect(readdirSync(join(temp.path, "etc"))).toEqual([]);
    },
  );

  test("stays in what it has opened when another directory is put in its place meanwhile", () => {
    using temp = tempDir();
    for (const name of ["etc", "home"]) mkdirSync(join(temp.path, name));
    withFolder(join(temp.path, "home"), (folder) => {
      renameSync(join(temp.path, "home"), join(temp.path, "moved"));
      symlinkSync("etc", join(temp.path, "home"));
      writeFileSync(join(folder, "file"), "x");
    });
    expect(readdirSync(join(temp.path, "etc"))).toEqual([]);
    expect(readdirSync(join(temp.path, "moved"))).toEqual(["file"]);
  });
});

test("Machine.writeFile writes for its owner, in place of what is there, and not through a link left for it", () => {
  using temp = tempDir();
  const [file, other] = [join(temp.path, "imagehub.yaml"), join(temp.path, "other")];
  for (const path of [file, other]) writeFileSync(path, "before");
  symlinkSync("other", `${file}.new`);
  new Machine(false).writeFile(file, "after", OWNER);
  expect(readFileSync(file, "utf8")).toBe("after");
  expect(readFileSync(other, "utf8")).toBe("before");
  expect(statSync(file)).toMatchObject({ uid: OWNER.uid, gid: OWNER.gid });
  expect(readdirSync(temp.path).toSorted()).toEqual(["imagehub.yaml", "other"]);
});
