import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Folder } from "../../src/os/folder.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";

let temp: TempDir;
const at = (...names: string[]): string => join(temp.path, ...names);

beforeEach(() => {
  temp = tempDir();
  mkdirSync(at("day"));
  writeFileSync(at("day", "image.jpg"), "12345");
});

afterEach(() => {
  temp[Symbol.dispose]();
});

test("looks at entries without following links", () => {
  linkSync(at("day", "image.jpg"), at("day", "second.jpg"));
  symlinkSync("image.jpg", at("day", "link.jpg"));
  mkdirSync(at("day", "folder.jpg"));
  using folder = Folder.open(at("day"));
  expect(folder.names().toSorted()).toEqual(["folder.jpg", "image.jpg", "link.jpg", "second.jpg"]);
  const image = folder.entry("image.jpg")!;
  expect(image).toMatchObject({ isFile: true, size: 5, links: 2 });
  expect(folder.entry("second.jpg")).toEqual(image);
  expect(folder.entry("link.jpg")?.isFile).toBe(false);
  expect(folder.entry("folder.jpg")?.isFile).toBe(false);
  expect(folder.entry("none.jpg")).toBeUndefined();
});

test("reads a large folder name by name, and two readers do not disturb each other", () => {
  const names = Array.from(
    { length: 5000 },
    (_, index) => `Tür-${"x".repeat(index % 200)}-${index}`,
  );
  for (const name of names) writeFileSync(at("day", name), "");
  using folder = Folder.open(at("day"));
  const [first, second] = [folder.eachName(), folder.eachName()];
  const read: string[] = [];
  for (const name of first) {
    read.push(name);
    second.next();
  }
  expect(read.toSorted()).toEqual([...names, "image.jpg"].toSorted());
  const taken: string[] = [];
  folder.takeNames((bytes, start, end) => {
    taken.push(Buffer.from(bytes.subarray(start, end)).toString());
  });
  expect(taken.toSorted()).toEqual([...names, "image.jpg", ".", ".."].toSorted());
  expect(folder.names()).toHaveLength(5001);
});

test("a link to a folder is no folder", () => {
  symlinkSync("day", at("link"));
  expect(() => Folder.open(at("link"))).toThrow("ENOTDIR");
  expect(() => Folder.open(at("none"))).toThrow("ENOENT");
});

test("removes from the folder that was opened, also if another one is at its path now", () => {
  using folder = Folder.open(at("day"));
  renameSync(at("day"), at("moved"));
  mkdirSync(at("day"));
  writeFileSync(at("day", "image.jpg"), "another");
  expect(folder.unlink("image.jpg")).toBe(true);
  expect(folder.unlink("image.jpg")).toBe(false);
  expect(existsSync(at("moved", "image.jpg"))).toBe(false);
  expect(existsSync(at("day", "image.jpg"))).toBe(true);
});

test("removes no folder, and nothing elsewhere", () => {
  mkdirSync(at("day", "folder.jpg"));
  writeFileSync(at("outside"), "");
  using folder = Folder.open(at("day"));
  expect(() => folder.unlink("folder.jpg")).toThrow("EISDIR");
  expect(() => folder.unlink("../outside")).toThrow("is not a name");
  expect(existsSync(at("outside"))).toBe(true);
});

test("gives a file a second name in another folder, and never replaces one", () => {
  mkdirSync(at("other"));
  symlinkSync("image.jpg", at("day", "link.jpg"));
  using folder = Folder.open(at("day"));
  using other = Folder.open(at("other"));
  folder.link("image.jpg", other);
  expect(other.entry("image.jpg")).toMatchObject({ links: 2, size: 5 });
  expect(() => folder.link("image.jpg", other)).toThrow("EEXIST");
  expect(() => folder.link("none.jpg", other)).toThrow("ENOENT");
  expect(Buffer.from(other.read("image.jpg")).toString()).toBe("12345");
  expect(() => folder.read("link.jpg")).toThrow("ELOOP");
});

test("knows when a file was changed, also before 1970", () => {
  using folder = Folder.open(at("day"));
  for (const time of [1_632_391_200.25, -3600]) {
    Bun.spawnSync(["touch", "-d", `@${time}`, at("day", "image.jpg")]);
    expect(folder.entry("image.jpg")?.modifiedS).toBe(time);
  }
});

test("makes and opens folders in it, not through links", () => {
  symlinkSync("day", at("link"));
  using top = Folder.open(temp.path);
  {
    using made = top.makeFolder("new");
    using again = top.makeFolder("new");
    expect(made.names()).toEqual(again.names());
  }
  using day = top.folder("day");
  expect(day.names()).toEqual(["image.jpg"]);
  expect(() => top.folder("none")).toThrow("ENOENT");
  expect(() => top.folder("link")).toThrow("ENOTDIR");
  expect(() => top.makeFolder("link")).toThrow("ENOTDIR");
  expect(() => top.makeFolder("../outside")).toThrow("is not a name");
});

test("opens and makes files in it, not through links", () => {
  symlinkSync("image.jpg", at("day", "link.jpg"));
  Bun.spawnSync(["mkfifo", at("day", "pipe")]);
  using folder = Folder.open(at("day"));
  const fd = folder.openFile("image.jpg");
  expect(readFileSync(fd, "utf8")).toBe("12345");
  closeSync(fd);
  for (const name of ["none", "link.jpg", "pipe"]) expect(() => folder.openFile(name)).toThrow();
  const made = folder.create("new");
  writeFileSync(made, "new");
  closeSync(made);
  expect(() => folder.create("new")).toThrow("EEXIST");
  expect(() => folder.create("link.jpg")).toThrow("EEXIST");
  expect(readFileSync(at("day", "image.jpg"), "utf8")).toBe("12345");
});

test("moves a file to another folder, and replaces another one only if that is wished", () => {
  mkdirSync(at("other"));
  writeFileSync(at("other", "taken"), "first");
  using from = Folder.open(at("day"));
  using to = Folder.open(at("other"));
  expect(from.moveNew("image.jpg", to, "taken")).toBe(false);
  expect(from.moveNew("image.jpg", to, "free")).toBe(true);
  expect(() => from.moveNew("image.jpg", to, "again")).toThrow("ENOENT");
  to.move("free", to, "taken");
  expect(readdirSync(at("other"))).toEqual(["taken"]);
  expect(readFileSync(at("other", "taken"), "utf8")).toBe("12345");
});
