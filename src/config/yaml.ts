/**
 * Parses the text of a settings file as PyYAML's `safe_load` does (YAML 1.1). Keeps what messages
 * need: the line of each key, and how each value is written. It knows no setting.
 *
 * It is stricter than PyYAML in one point: a duplicate key is an error, where PyYAML takes the last
 * one.
 *
 * @module
 */

import {
  type Document,
  type Tags,
  LineCounter,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  visit,
} from "yaml";

/** Advice about a line with wrong indentation. */
const ALIGN =
  "settings of one group must begin in the same column, those under hub: after two spaces";

/** Longest part of a value shown in a message, in characters. */
const SHOWN_MAX = 60;

/** Something wrong with the text itself. */
interface TextProblem {
  readonly line: number;
  /** Known for syntax errors only. */
  readonly column?: number;
  readonly message: string;
}

/** Keys and list indexes that lead from the top of the file to a value. */
export type KeyPath = readonly (string | number)[];

/** A settings file after parsing. */
export interface SettingsText {
  /** What the file holds, or `undefined` if the problems leave it unclear. */
  readonly value: unknown;
  readonly problems: readonly TextProblem[];
  /** The line, from 1, of the key at `path`, or of its nearest parent in the file. */
  lineOf(path: KeyPath): number;
  /**
   * The value at `path` as a message shows it: as written if plain, quoted if a string, else its
   * kind.
   */
  shown(path: KeyPath): string;
}

const TRUE = /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const FLOAT = /^(?:[-+]?\d[\d_]*\.[\d_]*|\.\d[\d_]*)$/;
const FLOAT_EXPONENT = /^(?:[-+]?\d[\d_]*\.[\d_]*|\.\d[\d_]*)[eE][-+]\d+$/;

/**
 * PyYAML's rules (resolver.py) where they differ from the yaml package: to PyYAML, `y`, `.` and
 * `1e3` are strings.
 */
function pyYamlTags(tags: Tags): Tags {
  return tags.map((tag): Tags[number] => {
    if (typeof tag === "string" || tag.collection !== undefined) return tag;
    if (tag.tag === "tag:yaml.org,2002:bool")
      return { ...tag, test: tag.identify?.(true) ? TRUE : FALSE };
    if (tag.tag !== "tag:yaml.org,2002:float") return tag;
    if (tag.format === "EXP") return { ...tag, test: FLOAT_EXPONENT };
    return tag.test?.test("1.5") ? { ...tag, test: FLOAT } : tag;
  });
}

function parse(text: string, lines: LineCounter): Document.Parsed {
  return parseDocument(text, {
    version: "1.1",
    // Even if a %YAML directive names another version, which PyYAML ignores.
    schema: "yaml-1.1",
    customTags: pyYamlTags,
    lineCounter: lines,
    logLevel: "error",
    prettyErrors: false,
    uniqueKeys: false,
  });
}

/** Longest message of the YAML parser that is shown, in characters: it quotes the file. */
const MESSAGE_CHARS_MAX = 300;

/** Replaces control characters and everything that any reader takes for a line break. */
function onOneLine(text: string): string {
  return text.toWellFormed().replaceAll(/[\p{Cc}\u2028\u2029]/gu, "?");
}

/** A value as a message shows it: shortened, on one line. */
export function shownText(text: string): string {
  const cut = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
  return onOneLine(cut);
}

/** A string as a message shows it: quoted, shortened, on one line. */
export function shownString(text: string): string {
  const cut = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
  return onOneLine(JSON.stringify(cut));
}

/**
 * The value that `text` would have as a plain value in the file: a number, a truth value, or else a
 * string. For text from the environment or the command line.
 */
export function parseScalar(text: string): unknown {
  const document = parse(text, new LineCounter());
  const node: unknown = document.contents;
  const isClean = document.errors.length === 0 && document.warnings.length === 0;
  return isClean && isScalar(node) && node.type === "PLAIN" && node.source === text.trim()
    ? node.value
    : text;
}

/**
 * Makes keys such as `on` words. To YAML 1.1 they are truth values, but nobody means that with a
 * key.
 */
function takeKeysAsWords(document: Document.Parsed): void {
  visit(document, {
    Pair(_, { key }) {
      if (isScalar(key) && typeof key.value === "boolean") key.value = key.source;
    },
  });
}

/** A key as the yaml package turns it into a property name. */
function keyText(key: unknown): string {
  // Collections and aliases as keys are refused elsewhere. Some cannot be turned into text.
  const text: unknown = isScalar(key) ? (key.value ?? "") : isNode(key) ? "?" : key;
  return String(text);
}

/** @param offset where the parser found the error */
function syntaxMessage(code: string, message: string, text: string, offset: number): string {
  const before = text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset);
  const [rest = ""] = text.slice(offset).split("\n", 1);
  const falseSpace = FALSE_INDENT.exec(text);
  if (falseSpace !== null) return `not YAML: ${falseSpaceMessage(falseSpace[0].at(-1) ?? "")}`;
  if (code === "MULTIPLE_DOCS") return "not YAML: there is more than one document";
  if (code === "BAD_ALIAS")
    return `not YAML: ${message}; a value that begins with * must be in quotes`;
  if (code === "TAB_AS_INDENT")
    return "not YAML: this line begins with a tab: put spaces in its place";
  if (code === "BLOCK_AS_IMPLICIT_KEY") {
    return /:(?:\s|$)/.test(rest)
      ? `not YAML: ${message}; a value with a colon and a space in it must be in quotes`
      : `not YAML: the line below is indented deeper: ${ALIGN}`;
  }
  if (code === "BAD_INDENT" || (message.startsWith("Unexpected scalar") && before.trim() === "")) {
    return `not YAML: this line is not indented as those above it: ${ALIGN}`;
  }
  return `not YAML: ${message}`;
}

/**
 * A character at the beginning of a line that looks like a space, but is none to YAML. Text copied
 * from web pages contains them.
 */
const FALSE_INDENT = /^[ \t]*[\u00A0\u2000-\u200B\u202F\u205F\u3000]/m;

function falseSpaceMessage(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return `a line begins with the character U+${code}, which only looks like a space: put spaces in its place`;
}

/** What is wrong with a key that begins with such a character; otherwise undefined. */
export function falseSpaceIn(key: string): string | undefined {
  const found = FALSE_INDENT.exec(key);
  return found === null ? undefined : falseSpaceMessage(found[0].at(-1) ?? "");
}

/**
 * Problems that need no knowledge of settings. Those in `unclear` leave the value unclear, those in
 * `doubled` do not.
 *
 * @param root the only top-level key under which duplicate keys are refused
 */
function structureProblems(
  document: Document.Parsed,
  root: string,
  lineAt: (node: unknown) => number,
) {
  const unclear: TextProblem[] = [];
  const doubled: TextProblem[] = [];
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document)) return;
      unclear.push({
        line: lineAt(alias),
        message: `not YAML: there is no anchor &${shownText(alias.source)}`,
      });
    },
    Map(_, map, ancestors) {
      const firstLines = new Map<string, number>();
      for (const { key } of map.items) {
        const line = lineAt(key);
        if (!isScalar(key) || (typeof key.value === "object" && key.value !== null)) {
          unclear.push({ line, message: "a key must be a word" });
          continue;
        }
        const name = keyText(key);
        const firstLine = firstLines.get(name);
        if (firstLine === undefined) {
          firstLines.set(name, line);
          continue;
        }
        const above = ancestors.flatMap((node) => (isPair(node) ? [keyText(node.key)] : []));
        if ((above[0] ?? name) !== root) continue;
        doubled.push({
          line,
          message: `${shownText([...above, name].join("."))} is set twice, first in line ${firstLine}`,
        });
      }
    },
  });
  return { unclear, doubled };
}

/** The deepest key and value along `path`, and whether `path` exists to its end. */
function walk(document: Document.Parsed, path: KeyPath) {
  let key: unknown;
  let value: unknown = document.contents;
  for (const step of path) {
    const from: unknown = isAlias(value) ? value.resolve(document) : value;
    if (isMap(from)) {
      const pair = from.items.findLast((item) => keyText(item.key) === String(step));
      // A key from a merge (<<) is written elsewhere.
      if (!pair) return { key, value: from, isWhole: false };
      key = pair.key;
      value = pair.value;
    } else if (isSeq(from) && typeof step === "number") {
      value = from.items[step];
      key = value;
    } else {
      return { key, value: from, isWhole: false };
    }
  }
  return { key, value: isAlias(value) ? value.resolve(document) : value, isWhole: true };
}

function shownNode(node: unknown): string {
  if (isMap(node)) return "a group of keys";
  if (isSeq(node)) return "a list";
  if (!isScalar(node) || node.value === null) return "empty";
  if (typeof node.value === "string") return shownString(node.value);
  return shownText(node.source ?? "");
}

/**
 * Parses the text of a settings file. Never throws: errors are in `problems`.
 *
 * @param root the top-level key that all settings are under
 */
export function parseSettingsText(source: string, root: string): SettingsText {
  // As Python's text mode does. It leaves one kind of line break to count.
  const text = source.replaceAll(/\r\n?/g, "\n");
  const lines = new LineCounter();
  const document = parse(text, lines);
  const lineAt = (node: unknown): number =>
    isNode(node) ? lines.linePos(node.range?.[0] ?? 0).line : 1;
  const problems: TextProblem[] = [];
  let value: unknown;

  // PyYAML refuses these too. A file with them is no settings file at all, so report nothing else.
  const unprintable = /[^\P{Cc}\t\n\u0085]|[\p{Cs}\uFFFE\uFFFF]/u.exec(text);
  // A syntax error may cause all the following ones, so report only the first.
  const syntaxError = document.errors[0];
  if (unprintable) {
    const code = (unprintable[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    const line = text.slice(0, unprintable.index).split("\n").length;
    problems.push({ line, message: `not YAML: there is a character U+${code}` });
  } else if (syntaxError) {
    const [offset] = syntaxError.pos;
    const { line, col } = lines.linePos(offset);
    const message = syntaxMessage(syntaxError.code, syntaxError.message, text, offset);
    problems.push({ line, column: col, message });
  } else {
    takeKeysAsWords(document);
    const tags = document.warnings.filter(({ code }) => code === "TAG_RESOLVE_FAILED");
    const { unclear, doubled } = structureProblems(document, root, lineAt);
    for (const { pos, message } of tags) {
      unclear.push({ line: lines.linePos(pos[0]).line, message: `not YAML: ${message}` });
    }
    try {
      if (unclear.length === 0) value = document.toJS();
    } catch (error) {
      // Nested aliases, made to fill the memory.
      unclear.push({
        line: 1,
        message: `not YAML: ${error instanceof Error ? error.message : "?"}`,
      });
    }
    problems.push(...unclear, ...doubled);
  }

  return {
    value,
    problems: problems.map((problem) =>
      Object.assign(problem, { message: onOneLine(problem.message.slice(0, MESSAGE_CHARS_MAX)) }),
    ),
    lineOf: (path) => lineAt(walk(document, path).key ?? document.contents),
    shown: (path) => {
      const found = walk(document, path);
      return found.isWhole ? shownNode(found.value) : "set by a merge";
    },
  };
}
