/**
 * The documents agree with the code: links and paths lead somewhere, the tables of settings, exit
 * statuses, metrics and log lines are complete, and imports follow the table of rooms.
 *
 * @module
 */

import { expect, test } from "bun:test";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { SETTINGS } from "../src/config/schema.ts";
import { EXIT } from "../src/errors.ts";
import { CHECKOUT } from "../scripts/lib/available.ts";

const PAGES = ["*.md", "{docs,deploy}/**/*.md"]
  .flatMap((pattern) => Array.from(new Bun.Glob(pattern).scanSync({ cwd: CHECKOUT })))
  .toSorted();

/** Folders whose files a page may name: those of the checkout, and those of `src`. */
const FOLDERS = new Set(["src", "test", "scripts", "docs", "deploy", ...foldersIn("src")]);

function foldersIn(folder: string): string[] {
  return readdirSync(join(CHECKOUT, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

function read(path: string): string {
  return readFileSync(join(CHECKOUT, path), "utf8");
}

/** A page without its blocks of code. */
function prose(page: string): string {
  return read(page).replaceAll(/^ *```[^]*?^ *```/gmu, "");
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(page: string): Set<string> {
  const headings = [...prose(page).matchAll(/^#+ (.+)$/gmu)].map((match) => String(match[1]));
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** The cells of the rows of the table whose head begins with `first`, without its head. */
function table(page: string, first: string): string[][] {
  const lines = read(page).split("\n");
  const head = lines.findIndex((line) => new RegExp(String.raw`^\| ${first} *\|`, "u").test(line));
  const length = lines.slice(head).findIndex((line) => !line.startsWith("|"));
  return lines.slice(head + 2, head + length).map((line) =>
    line
      .split(/(?<!\\)\|/u)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** A default as the README shows it. */
function shown(value: unknown): string {
  if (value === "") return "none";
  return Array.isArray(value) ? JSON.stringify(value) : String(value);
}

/** The texts in backticks of a cell. */
function quoted(cell = ""): string[] {
  return [...cell.matchAll(/`([^`]+)`/gu)].map((match) => String(match[1]));
}

test.each(PAGES)("the links of %s lead somewhere", (page) => {
  const broken = [...prose(page).matchAll(/\]\(([^)\s]+)\)/gu)]
    .map((match) => String(match[1]))
    .filter((link) => !/^https?:/u.test(link))
    .filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(CHECKOUT, target))) return true;
      return anchor !== undefined && !anchors(target).has(anchor);
    });
  expect(broken).toEqual([]);
});

test.each(PAGES)("the paths that %s names exist", (page) => {
  const missing = quoted(prose(page))
    .filter((text) => /^[\w.-]+\/[\w./-]*$/u.test(text) && FOLDERS.has(text.split("/")[0] ?? ""))
    .filter((path) =>
      ["", "src", dirname(page)].every((folder) => !existsSync(join(CHECKOUT, folder, path))),
    );
  expect(missing).toEqual([]);
});

test("the README's table has every setting with its default", () => {
  const rows = table("README.md", "key").map(([key, value]) => [
    quoted(key).join(),
    value?.replaceAll(/[`"]/gu, ""),
  ]);
  const settings = SETTINGS.map(({ name, type }) => [name, shown(type.parse(undefined))]);
  expect(rows.length).toBe(settings.length);
  expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(settings));
});

test("docs/OPERATION.md lists every exit status", () => {
  const statuses = table("docs/OPERATION.md", "status").map(([status]) => Number(status));
  expect(statuses).toEqual(Object.values(EXIT));
});

test("docs/OPERATION.md lists every metric", () => {
  const metrics = [...read("test/http/golden/metrics.txt").matchAll(/^# TYPE (\S+)/gmu)]
    .map((match) => String(match[1]))
    .filter((name) => !name.startsWith("process_"));
  const listed = table("docs/OPERATION.md", "metric")
    .flatMap(([names]) => quoted(names))
    .map((name) => name.replace(/\{.*/u, ""))
    .filter((name) => !name.startsWith("process_"));
  expect(listed.toSorted()).toEqual(metrics.toSorted());
});

test("the log lines in docs/OPERATION.md are those of the code", () => {
  const code = [...new Bun.Glob("src/**/*.ts").scanSync({ cwd: CHECKOUT })]
    .map(read)
    .join("\n")
    // A string over several lines.
    .replaceAll(/["`] \+\s+["`]/gu, "");
  const pieces = table("docs/OPERATION.md", "line")
    .flatMap(([line]) => quoted(line))
    .flatMap((line) => line.replaceAll(String.raw`\|`, "|").split("…"))
    .map((piece) => piece.trim())
    .filter((piece) => piece !== "");
  expect(pieces.length).toBeGreaterThan(0);
  expect(pieces.filter((piece) => !code.includes(piece))).toEqual([]);
});

test("imports run only from a room to one below it in ARCHITECTURE.md", () => {
  const rooms = table("ARCHITECTURE.md", "room").flatMap(([names], floor) =>
    quoted(names).map((name) => [name, floor] as const),
  );
  const floors = new Map(rooms);
  /** The floor of a path below `src`. */
  const floorOf = (path: string): number => floors.get(path.split("/")[0] ?? "") ?? Number.NaN;
  const wrong = [...new Bun.Glob("**/*.ts").scanSync({ cwd: join(CHECKOUT, "src") })].flatMap(
    (file) =>
      [...read(join("src", file)).matchAll(/\b(?:from |import\()"(\.[^"]+)"/gu)]
        .map((match) => join(dirname(file), String(match[1])))
        .filter((target) => !target.startsWith(".."))
        .filter((target) => target.split("/")[0] !== file.split("/")[0])
        .filter((target) => !(floorOf(target) > floorOf(file)))
        .map((target) => `${file} -> ${target}`),
  );
  expect(wrong).toEqual([]);
});
