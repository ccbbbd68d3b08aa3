/**
 * Reads the settings file: bytes, keys and values. Reports what is wrong, with its line.
 *
 * @module
 */

import { closeSync, openSync, readSync } from "node:fs";
import type * as z from "zod";
import {
  HIDDEN,
  type Layer,
  type Origin,
  errorCode,
  errorReason,
  getAt,
  guess,
  isGroup,
  wrongValue,
} from "./layer.ts";
import { nearest } from "./nearest.ts";
import { ROOT_KEY, SETTINGS, type Setting, fileSchema } from "./schema.ts";
import { mayBeSecret } from "./secrets.ts";
import {
  type KeyPath,
  type SettingsText,
  falseSpaceIn,
  parseSettingsText,
  shownString,
  shownText,
} from "./yaml.ts";

/** Largest settings file, in bytes. */
const FILE_BYTES_MAX = 1024 * 1024;

/** All bytes of a file, which may be a pipe; `undefined` if it is too large. */
function readBytes(file: string): Uint8Array | undefined {
  const buffer = new Uint8Array(FILE_BYTES_MAX + 1);
  const descriptor = openSync(file, "r");
  try {
    let length = 0;
    while (length < buffer.length) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) return buffer.subarray(0, length);
      length += count;
    }
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** The text of a settings file, or what is wrong with it. Neither if it is missing and may be. */
export function readText(file: string, mayMiss: boolean): { text?: string; problem?: string } {
  try {
    const bytes = readBytes(file);
    if (!bytes)
      return { problem: `Cannot read ${file}: it is larger than ${FILE_BYTES_MAX} bytes` };
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof TypeError) return { problem: `Cannot read ${file}: it is not UTF-8 text` };
    if (errorCode(error) === "ENOENT" && mayMiss) return {};
    return { problem: `Cannot read ${file}: ${errorReason(error)}` };
  }
}

const nameOf = (keys: KeyPath): string =>
  keys
    .map(String)
    .map((key) => (/^[\w-]+$/.test(key) ? shownText(key) : shownString(key)))
    .join(".");

/** The known key that an unknown one probably means. Keys of the same group come first. */
function nearestKey(keys: KeyPath): string | undefined {
  const known = SETTINGS.map((setting) => [ROOT_KEY, ...setting.path]);
  const groups = known.map((each) => each.slice(0, -1));
  const above = nameOf(keys.slice(0, -1));
  const candidates = [...known, ...groups].toSorted(
    (a, b) => Number(nameOf(b.slice(0, -1)) === above) - Number(nameOf(a.slice(0, -1)) === above),
  );
  const names = new Map(candidates.toReversed().map((each) => [each.at(-1) ?? "", each.join(".")]));
  const key = nearest(String(keys.at(-1)), new Set(candidates.map((each) => each.at(-1) ?? "")));
  return key === undefined ? undefined : names.get(key);
}

interface Located {
  readonly line: number;
  readonly column?: number;
  readonly message: string;
}

/** Turns one issue of the schema into messages with line numbers. */
function locate(issue: z.core.$ZodIssue, text: SettingsText): Located[] {
  const keys = issue.path.map((key) => (typeof key === "number" ? key : String(key)));
  const setting = SETTINGS.find(({ path: each }) =>
    [ROOT_KEY, ...each].every((key, index) => keys[index] === key),
  );
  // Its rule says what the whole list must be.
  const inEntry = issue.code === "unrecognized_keys" ? 1 : 2;
  if (setting !== undefined && keys.length > setting.path.length + inEntry)
    return locateInList(issue, keys, setting, text);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const unknown = [...keys, key];
      const known = nearestKey(unknown);
      const advice =
        known === undefined && isGroup(getAt(text.value, unknown.map(String)))
          ? "; if it belongs to another program, move it and everything under it to the beginning of the line"
          : guess(known);
      const message = falseSpaceIn(key) ?? `${nameOf(unknown)} is not a setting${advice}`;
      return { line: text.lineOf(unknown), message };
    });
  }
  const rule = setting?.rule ?? "a group of settings, one per line";
  const isHidden = setting !== undefined && mayBeSecret(setting);
  const shown = isHidden ? HIDDEN : text.shown(keys);
  return [{ line: text.lineOf(keys), message: wrongValue(nameOf(keys), shown, rule) }];
}

/** The same for an entry of a setting that is a list. */
function locateInList(
  issue: z.core.$ZodIssue,
  keys: KeyPath,
  { path, rule, secretKeys = [] }: Setting,
  text: SettingsText,
): Located[] {
  const must = `${nameOf([ROOT_KEY, ...path])} must be ${rule}`;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const unknown = [...keys, key];
      return { line: text.lineOf(unknown), message: `${nameOf(unknown)} is not known; ${must}` };
    });
  }
  const isMissing = getAt(text.value, keys.map(String)) === undefined;
  const isHidden = secretKeys.includes(String(keys.at(-1)));
  const shown = isMissing ? "is missing" : `is ${isHidden ? HIDDEN : text.shown(keys)}`;
  return [{ line: text.lineOf(keys), message: `${nameOf(keys)} ${shown}; ${must}` }];
}

/** Names allowed below the key at the top: settings and groups. */
const NAMES_BELOW_ROOT: ReadonlySet<string> = new Set(SETTINGS.map(({ path }) => path[0] ?? ""));

const MISSING = `${ROOT_KEY}: is missing; write every setting under it`;

/**
 * What is wrong with a key beside `hub:`. A block of another program is fine, because the Python
 * hub reads only `hub:` too. A setting there would be ignored silently. So would a misspelt `hub:`.
 */
function strayProblem(key: string, value: unknown, hasRoot: boolean): string | undefined {
  const name = nameOf([key]);
  if (NAMES_BELOW_ROOT.has(key)) {
    return hasRoot
      ? `${name} is outside ${ROOT_KEY}:, so it has no effect: put two spaces before it, and before every line under it`
      : `${name} is not a setting; did you mean ${ROOT_KEY}.${name}?`;
  }
  const falseSpace = falseSpaceIn(key);
  if (falseSpace !== undefined) return falseSpace;
  const isBlock = isGroup(value);
  if (nearest(key, [ROOT_KEY]) !== undefined) return `${name} is not a setting${guess(ROOT_KEY)}`;
  if (isBlock && !hasRoot) {
    if (Object.hasOwn(value, ROOT_KEY)) {
      return `${ROOT_KEY}: is inside ${name}: move it and everything under it to the beginning of the line`;
    }
    if (Object.keys(value).some((below) => NAMES_BELOW_ROOT.has(below)))
      return `${name} is not a setting${guess(ROOT_KEY)}`;
  }
  // Not those of groups: so many words are like one of them.
  const known = isBlock ? undefined : nearest(key, NAMES_BELOW_ROOT);
  return known === undefined
    ? undefined
    : `${name} is not a setting${guess(`${ROOT_KEY}.${known}`)}`;
}

/** The settings in the text of a settings file. */
export function readFileLayer(file: string, source: string): Layer {
  const text = parseSettingsText(source, ROOT_KEY);
  const located: Located[] = [...text.problems];
  const notes: string[] = [];
  const values: [Setting, { value: unknown; origin: Origin }][] = [];
  const isClear = located.length === 0 || text.value !== undefined;
  const top = text.value;

  if (isClear && (top === null || top === undefined)) {
    located.push({ line: 1, message: MISSING });
  } else if (isClear && (!isGroup(top) || Array.isArray(top))) {
    located.push({
      line: 1,
      message: `Not a group of settings; write every setting under ${ROOT_KEY}:`,
    });
  } else if (isClear && isGroup(top)) {
    const hasRoot = Object.hasOwn(top, ROOT_KEY);
    if (!hasRoot) located.push({ line: 1, message: MISSING });
    for (const [key, value] of Object.entries(top)) {
      if (key === ROOT_KEY) continue;
      const line = text.lineOf([key]);
      const message = strayProblem(key, value, hasRoot);
      if (message !== undefined) located.push({ line, message });
      else
        notes.push(
          `${file}:${line}: ${nameOf([key])}: is ignored; the hub reads only what is under ${ROOT_KEY}:`,
        );
    }
    const parsed = fileSchema.safeParse(top);
    for (const issue of parsed.error?.issues ?? []) located.push(...locate(issue, text));
    for (const setting of SETTINGS) {
      const keys = [ROOT_KEY, ...setting.path];
      if (getAt(top, keys) === undefined) continue;
      const detail = `${file}:${text.lineOf(keys)}`;
      values.push([
        setting,
        { value: getAt(parsed.data, keys), origin: { source: "file", detail } },
      ]);
    }
  }

  const problems = located
    .toSorted((a, b) => a.line - b.line)
    .map(
      ({ line, column, message }) =>
        `${[file, line, ...(column === undefined ? [] : [column])].join(":")}: ${message}`,
    );
  return { values: new Map(values), problems, notes };
}
