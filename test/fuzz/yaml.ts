/**
 * Fuzzes the settings file: whatever stands in it, it gives settings that are right, or says line
 * by line what is wrong (`src/config`).
 *
 * Seen when a line was taken out of a copy of the sources (seed 20181230): aliases that unfold
 * without end not caught, found at iteration 44; a printed value not quoted for YAML 1.1, 183; no
 * bound on the file, 2074; white space cut off a printed path, 2586.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type LoadedSettings, loadSettings } from "../../src/config/load.ts";
import { formatSettings } from "../../src/config/print.ts";
import { SETTINGS } from "../../src/config/schema.ts";
import { EXIT, FatalError } from "../../src/errors.ts";
import { tempDir } from "../support/machine/temp.ts";
import { anyText, mutateBytes, mutateText, type Random } from "./random.ts";
import { functionTarget, must, mustBeOneLine } from "./target.ts";

/** Largest settings file, in bytes. */
const FILE_BYTES_MAX = 1024 * 1024;

/** Values as they may be written, right and wrong, in the spellings of YAML 1.1 and 1.2. */
const VALUES = [
  ..."0 1 2 5 95 100 101 500 5000 5555 65535 65536 -1 +5 007 0x1f 0o17 017 1_000 1:30 .5 5. 0.1 1e3 1.0e+3".split(
    " ",
  ),
  ...".inf -.inf .NaN 9007199254740993 1e400 99999999999999999999 yes no on off True FALSE y n ~ null".split(
    " ",
  ),
  "*",
  '"*"',
  "'*'",
  "::1",
  "127.0.0.1",
  "1.2.3",
  "eth0",
  "eth0.5",
  "a b",
  "a#b",
  "a #b",
  "",
  '""',
  "''",
  "stored",
  "received",
  "synced",
  "Stored",
  "debug",
  "info",
  "json",
  "auto",
  "/srv/x",
  "~/x",
  "~",
  "../x",
  "[]",
  "[1, 2]",
  "{}",
  "{a: 1}",
  "2001-01-01",
  "2001-12-14t21:59:43.10-05:00",
  "!!str 5",
  "!!int '5'",
  "!!binary aGk=",
  "!!set {a}",
  "!!omap [a: 1]",
  "!x 5",
  "&a 5",
  "*a",
  "|\n    a\n    b",
  ">-\n    a\n    b",
  '"a\\nb"',
  '"\\u2028"',
  '"\\ud800"',
  '"\\0"',
  "'a''b'",
  "? a",
  "- a",
  "@a",
  "`a",
  "%a",
  "192.168.0.0/16",
];

/** Pieces of a file beside keys and values. */
const LINES = [
  ..."%YAML 1.2|%YAML 1.1|%TAG ! tag:x,2002:|---|...|hub:|hub: {}|hub: []|hub: null|# comment|<<: *a|? |- |: ".split(
    "|",
  ),
  "base: &a {port: 1}",
  "&a hub:",
  "hub: &a {port: 1}",
  "\t",
  "  \tport: 1",
  "  port: 1\r",
  "\ufeff",
  "\u0085",
  "  <<: {port: 5}",
  "  <<: [*a, *a]",
  "  ? [1]\n  : 2",
  "  ? {a: 1}\n  : 2",
  "  &k port: 5",
  "  *a : 5",
  "  port: &p 5\n  queuemax: *p",
  "  1: 2",
  "  null: 5",
  "  ~: 5",
  "  true: 5",
  "  __proto__: 5",
  "  constructor: {}",
];

interface YamlInput {
  readonly file: Buffer;
}

function anyScalar(random: Random): string {
  if (random.chance(0.7)) return random.pick(VALUES);
  if (random.chance(0.5)) return String(random.between(-5, 100_000));
  if (random.chance(0.5)) return JSON.stringify(anyText(random, 300));
  return anyText(random, 300);
}

/** What is right for most settings, so that files pass at all. */
const RIGHT: Readonly<Record<string, readonly string[]>> = {
  queuemax: ["1", "500", "100000", "0x10", "1_000", "010", "1:30"],
  patience: ["10", ".5", "0.001", "10080", "1.5e+1"],
  data_directory: [
    "images",
    "/srv/a b",
    "~/x",
    "~",
    "'a: b'",
    '"a #b"',
    '"\\u00e9\\u2028"',
    "'5'",
    "a\\b",
    "日本",
    "'a''b'",
  ],
  max_images_write: ["0", "5000", "9007199254740991"],
  print_settings: ["yes", "off", "True", "0", "1", "~", ""],
  port: ["1", "5555", "65535", "0x1F"],
  // Interfaces may have names that YAML 1.1 takes for something else.
  bind: [
    "'*'",
    "eth0",
    "::1",
    "0.0.0.0",
    "a@b",
    "fe80::1%eth0",
    '"on"',
    '"0x10"',
    "'1_0'",
    "'-'",
    "'007'",
    '"~"',
  ],
  writers: ["1", "2"],
  ack: ["stored", "received", '"synced"'],
  jpeg_quality: ["1", "100"],
  log_level: ["error", "debug"],
  log_format: ["text", "json"],
};

function setting(random: Random, rightness: number): string {
  const { path } = random.pick(SETTINGS);
  const name = path.at(-1) ?? "";
  const right = RIGHT[path.join(".")];
  const value = right && random.chance(rightness) ? random.pick(right) : anyScalar(random);
  const key = random.chance(0.02 + (1 - rightness) / 5) ? mutateText(random, name) : name;
  const indent = "  ".repeat(random.chance(0.01) ? random.below(4) : path.length);
  return `${indent}${key}:${random.chance(0.01) ? "" : " "}${value}${random.chance(0.1) ? " # why" : ""}`;
}

/** Aliases of aliases, made to unfold to more than there is memory for. */
function bomb(random: Random): string {
  const depth = random.between(2, 12);
  const width = random.between(2, 12);
  const lines = ["a0: &a0 [x]"];
  for (let at = 1; at < depth; at += 1)
    lines.push(`a${at}: &a${at} [${`*a${at - 1},`.repeat(width)}]`);
  return `${lines.join("\n")}\nhub:\n  port: *a${depth - 1}\n`;
}

function deep(random: Random): string {
  const depth = random.skewed(2000);
  return random.pick([
    `hub: ${"[".repeat(depth)}`,
    `hub: ${"[".repeat(depth)}${"]".repeat(depth)}`,
    `hub: ${"{a: ".repeat(depth)}${"}".repeat(depth)}`,
    Array.from({ length: Math.min(depth, 300) }, (_, at) => `${" ".repeat(at)}a:`).join("\n"),
    `hub:\n  port: ${"- ".repeat(depth)}1\n`,
    `hub:\n  port: ${"9".repeat(depth)}\n`,
    `hub:\n  ${"k".repeat(depth)}: 1\n`,
    `hub: &a\n  port: *a\n`,
  ]);
}

function settingsText(random: Random): string {
  const rightness = random.pick([1, 1, 0.95, 0.8, 0.3]);
  const lines = random.list(random.skewed(14), () =>
    random.chance((1 - rightness) / 4) ? random.pick(LINES) : setting(random, rightness),
  );
  // Keys that stand twice are refused, and would be in nearly every file.
  const seen = new Set<string>();
  const once = lines.filter((line) => {
    const key = line.trim().split(":", 1)[0] ?? "";
    return random.chance(0.02) || !(seen.has(key) || !seen.add(key));
  });
  return [...(random.chance(0.98) ? ["hub:"] : []), ...once, ""].join(
    random.chance(0.9) ? "\n" : "\r\n",
  );
}

function generate(random: Random): YamlInput {
  const text = settingsText(random);
  if (random.chance(0.001))
    return { file: Buffer.from(text.padEnd(FILE_BYTES_MAX + random.below(3), "#")) };
  switch (random.below(12)) {
    case 0:
      return { file: mutateBytes(random, Buffer.from(text)) };
    case 1:
    case 2:
      return { file: Buffer.from(mutateText(random, text)) };
    case 3:
      return {
        file: Buffer.from(random.pick([bomb, deep, (from: Random) => anyText(from)])(random)),
      };
    default:
      return { file: Buffer.from(text) };
  }
}

/** Where the settings lie: one directory for all iterations, as each writes its file anew. */
const directory = tempDir();
process.on("exit", () => directory[Symbol.dispose]());

const FILE = join(directory.path, "imagehub.yaml");
const PRINTED = join(directory.path, "printed.yaml");
const ENV = { HOME: "/home/nobody" };

function load(config: string, bytes: string | Uint8Array): LoadedSettings | FatalError {
  writeFileSync(config, bytes);
  try {
    return loadSettings({ config, env: ENV, cwd: "/current" });
  } catch (error) {
    if (error instanceof FatalError) return error;
    throw error;
  }
}

function checkRefusal({ status, message }: FatalError): void {
  must(status === EXIT.config, `The exit status is ${status}`);
  for (const line of message.split("\n")) {
    mustBeOneLine(line, "A problem");
    const isAboutFile = line.startsWith(`${FILE}:`) || line.startsWith(`Cannot read ${FILE}: `);
    must(isAboutFile, `A problem does not name the file: ${JSON.stringify(line)}`);
    must(
      line.length <= FILE.length + 1000,
      `A problem has ${line.length} characters: ${JSON.stringify(line)}`,
    );
    must(
      !/undefined|\[object|NaN:/.test(line.replaceAll(/"[^"]*"/g, "")),
      `A problem reads badly: ${line}`,
    );
  }
}

function isWithin(value: unknown, low: number, high: number): boolean {
  return Number.isInteger(value) && Number(value) >= low && Number(value) <= high;
}

function checkSettings({ settings }: LoadedSettings): void {
  const {
    queuemax,
    patience,
    data_directory: data,
    max_images_write: imagesMax,
    print_settings: prints,
  } = settings;
  must(isWithin(queuemax, 1, 100_000), `queuemax is ${queuemax}`);
  must(patience > 0 && patience <= 7 * 24 * 60, `patience is ${patience}`);
  must(isWithin(imagesMax, 0, Number.MAX_SAFE_INTEGER), `max_images_write is ${imagesMax}`);
  must(typeof prints === "boolean", `print_settings is ${String(prints)}`);
  must(isWithin(settings.port, 1, 65_535), `port is ${settings.port}`);
  must(isWithin(settings.jpeg_quality, 1, 100), `jpeg_quality is ${settings.jpeg_quality}`);
  must(
    settings.writers >= 1 && Number.isInteger(settings.writers),
    `writers is ${settings.writers}`,
  );
  must(data.startsWith("/") && !/\p{Cc}/u.test(data), `data_directory is ${JSON.stringify(data)}`);
  must(/^(?:\*|[\w.:%@-]+)$/.test(settings.bind), `bind is ${JSON.stringify(settings.bind)}`);
}

function check({ file }: YamlInput): string {
  const loaded = load(FILE, file);
  const isTooLarge = loaded instanceof FatalError && loaded.message.includes("larger than");
  must(isTooLarge === file.byteLength > FILE_BYTES_MAX, `The file has ${file.byteLength} bytes`);
  if (loaded instanceof FatalError) {
    checkRefusal(loaded);
    const lines = loaded.message.split("\n").length;
    if (loaded.message.includes("not YAML")) return "refused: not YAML";
    if (loaded.message.startsWith("Cannot read")) return "refused: not read";
    return lines === 1 ? "refused: 1 problem" : "refused: more problems";
  }
  checkSettings(loaded);
  const printed = formatSettings(loaded);
  const again = load(PRINTED, printed);
  must(
    !(again instanceof FatalError),
    `What is printed is refused: ${again instanceof FatalError ? again.message : ""}\n${printed}`,
  );
  must(
    isDeepStrictEqual(again.settings, loaded.settings),
    `What is printed loads to other settings:\n${printed}`,
  );
  return isDeepStrictEqual(loaded.settings, loaded.defaults) ? "defaults" : "settings";
}

/** Fuzzes `loadSettings` and `formatSettings`. */
export const yamlTarget = functionTarget({
  name: "yaml",
  promise:
    "a settings file gives right settings that print to the same ones, or problems with file and line",
  generate,
  check,
  show: ({ file }: YamlInput) =>
    `${JSON.stringify(file.toString())}, in hex ${file.toString("hex")}`,
});
