/**
 * Reads the settings file: its bytes, its keys and its values, and tells by line what is wrong with them.
 *
 * @module
 */

import { closeSync, openSync, readSync } from "node:fs";
import type * as z from "zod";
import {
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
import { type KeyPath, type SettingsText, parseSettingsText, shownString, shownText } from "./yaml.ts";

/** Largest settings file, in bytes. */
const FILE_BYTES_MAX = 1024 * 1024;

/** All bytes of a file, which may also be a pipe; one too large gives `undefined`. */
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

/** The text of a settings file, or what is wrong with it. Missing and allowed to be, it is neither. */
export function readText(file: string, mayMiss: boolean): { text?: string; problem?: string } {
  try {
    const bytes = readBytes(file);
    if (!bytes) return { problem: `Cannot read ${file}: larger than ${FILE_BYTES_MAX} bytes` };
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof TypeError) return { problem: `Cannot read ${file}: it is not text in UTF-8` };
    if (errorCode(error) === "ENOENT" && mayMiss) return {};
    return { problem: `Cannot read ${file}: ${errorReason(error)}` };
  }
}

const nameOf = (keys: KeyPath): string =>
  keys
    .map(String)
    .map((key) => (/^[\w-]+$/.test(key) ? shownText(key) : shownString(key)))
    .join(".");

/** What to write in place of an unknown key: a neighbour before a setting of another group. */
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

/** Turns one complaint of the schema into messages with the lines they are about. */
function locate(issue: z.core.$ZodIssue, text: SettingsText): Located[] {
  const keys = issue.path.map((key) => (typeof key === "number" ? key : String(key)));
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const unknown = [...keys, key];
      const message = `${nameOf(unknown)} is not a setting${guess(nearestKey(unknown))}`;
      return { line: text.lineOf(unknown), message };
    });
  }
  const setting = SETTINGS.find(({ path: each }) =>
    [ROOT_KEY, ...each].every((key, index) => keys[index] === key),
  );
  const rule = setting?.rule ?? "a group of settings, one on each line";
  return [{ line: text.lineOf(keys), message: wrongValue(nameOf(keys), text.shown(keys), rule) }];
}

/** The values that the text of a settings file sets. */
export function readFileLayer(file: string, source: string): Layer {
  const text = parseSettingsText(source);
  const located: Located[] = [...text.problems];
  const values: [Setting, { value: unknown; origin: Origin }][] = [];
  const isClear = located.length === 0 || text.value !== undefined;
  const top = text.value;

  if (isClear && (top === null || top === undefined)) {
    located.push({ line: 1, message: `${ROOT_KEY}: is missing; every setting stands under it` });
  } else if (isClear && (!isGroup(top) || Array.isArray(top))) {
    located.push({ line: 1, message: `Not a group of settings; every setting stands under ${ROOT_KEY}:` });
  } else if (isClear && isGroup(top)) {
    if (!Object.hasOwn(top, ROOT_KEY)) {
      located.push({ line: 1, message: `${ROOT_KEY}: is missing; every setting stands under it` });
    }
    const parsed = fileSchema.safeParse(top);
    for (const issue of parsed.error?.issues ?? []) located.push(...locate(issue, text));
    for (const setting of SETTINGS) {
      const keys = [ROOT_KEY, ...setting.path];
      if (getAt(top, keys) === undefined) continue;
      const detail = `${file}:${text.lineOf(keys)}`;
      values.push([setting, { value: getAt(parsed.data, keys), origin: { source: "file", detail } }]);
    }
  }

  const problems = located
    .toSorted((a, b) => a.line - b.line)
    .map(
      ({ line, column, message }) =>
        `${[file, line, ...(column === undefined ? [] : [column])].join(":")}: ${message}`,
    );
  return { values: new Map(values), problems };
}
