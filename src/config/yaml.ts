/**
 * Reads the text of a settings file as PyYAML's `safe_load` does (YAML 1.1), and keeps what a
 * message needs: the line of each key and how each value is written. It knows no setting.
 *
 * Stricter than PyYAML in one thing: a key that stands twice is a problem, where PyYAML takes the
 * last.
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

/** What to do about a line that is not indented as those around it. */
const ALIGN = "settings of one group begin in the same column, those under hub: two spaces in";

/** Longest part of a value shown in a message, in characters. */
const SHOWN_MAX = 60;

/** Something wrong with the text itself. */
interface TextProblem {
  readonly line: number;
  /** Where it is known to the character. */
  readonly column?: number;
  readonly message: string;
}

/** Keys and list indexes that lead to a value from the top of the file. */
export type KeyPath = readonly (string | number)[];

/** A settings file after parsing. */
export interface SettingsText {
  /** What the file holds, or `undefined` where the problems leave it unclear. */
  readonly value: unknown;
  readonly problems: readonly TextProblem[];
  /**
   * The line, from 1, of the key at `path`, or of the nearest one above it that stands in the file.
   */
  lineOf(path: KeyPath): number;
  /**
   * The value at `path` as a message shows it: as written where plain, quoted where a string, else
   * its kind.
   */
  shown(path: KeyPath): string;
}

const TRUE = /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const FLOAT = /^(?:[-+]?\d[\d_]*\.[\d_]*|\.\d[\d_]*)$/;
const FLOAT_EXPONENT = /^(?:[-+]?\d[\d_]*\.[\d_]*|\.\d[\d_]*)[eE][-+]\d+$/;

/**
 * The rules of PyYAML's resolver.py where the yaml package's differ: to PyYAML `y`, `.` and `1e3`
 * are strings.
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
    // Also where a %YAML directive names another version, which PyYAML disregards.
    schema: "yaml-1.1",
    customTags: pyYamlTags,
    lineCounter: lines,
    logLevel: "error",
    prettyErrors: false,
    uniqueKeys: false,
  });
}

/** Longest message of the YAML parser that is passed on, in characters: it quotes the file. */
const MESSAGE_CHARS_MAX = 300;

/** Without what ends a line for one reader or another. */
function onOneLine(text: string): string {
  return text.toWellFormed().replaceAll(/[\p{Cc}\u2028\u2029]/gu, "?");
}

/** A value as a message shows it: cut to length, on one line. */
export function shownText(text: string): string {
  const cut = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
  return onOneLine(cut);
}

/** A string as a message shows it: in quotes, cut to length, on one line. */
export function shownString(text: string): string {
  const cut = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
  return onOneLine(JSON.stringify(cut));
}

/**
 * The value that `text` would have as a plain value in the file: a number, a truth value, or else a
 * string. For values that arrive as text only, from the environment or the command line.
 */
export function parseScalar(text: string): unknown {
  const document = parse(text, new LineCounter());
  const node: unknown = document.contents;
  const isClean = document.errors.length === 0 && document.warnings.length === 0;
  return isClean && isScalar(node) && node.type === "PLAIN" && node.source === text.trim()
    ? node.value
    : text;
}

/** Keys as the yaml package turns them into names of properties. */
function keyText(key: unknown): string {
  // A collection or an alias as a key is refused elsewhere, and some of them cannot be made text
  // of.
  const text: unknown = isScalar(key) ? (key.value ?? "") : isNode(key) ? "?" : key;
  return String(text);
}

/** @param offset where in the text the parser stumbled */
function syntaxMessage(code: string, message: string, text: string, offset: number): string {
  const before = text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset);
  const [behind = ""] = text.slice(offset).split("\n", 1);
  const falseSpace = FALSE_INDENT.exec(text);
  if (falseSpace !== null) return `not YAML: ${falseSpaceMessage(falseSpace[0].at(-1) ?? "")}`;
  if (code === "MULTIPLE_DOCS") return "not YAML: there is more than one document";
  if (code === "BAD_ALIAS") return `not YAML: ${message}; a * has to stand in quotes`;
  if (code === "TAB_AS_INDENT")
    return "not YAML: this line begins with a tab: put spaces in its place";
  if (code === "BLOCK_AS_IMPLICIT_KEY") {
    return /:(?:\s|$)/.test(behind)
      ? `not YAML: ${message}; a value with a colon and a space in it has to stand in quotes`
      : `not YAML: the line below is indented deeper: ${ALIGN}`;
  }
  if (code === "BAD_INDENT" || (message.startsWith("Unexpected scalar") && before.trim() === "")) {
    return `not YAML: this line is not indented as those above it: ${ALIGN}`;
  }
  return `not YAML: ${message}`;
}

/**
 * A character that looks like a space, and is none to YAML, at the beginning of a line. Web pages
 * have them.
 */
const FALSE_INDENT = /^[ \t]*[\u00A0\u2000-\u200B\u202F\u205F\u3000]/m;

function falseSpaceMessage(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return `a line begins with the character U+${code}, which only looks like a space: put spaces in its place`;
}

/** What is wrong with a key that begins so; undefined of any other. */
export function falseSpaceIn(key: string): string | undefined {
  const found = FALSE_INDENT.exec(key);
  return found === null ? undefined : falseSpaceMessage(found[0].at(-1) ?? "");
}

/**
 * Problems that need no knowledge of settings. Behind those that are not `doubled`, the value is
 * unclear.
 *
 * @param root the only key at the top whose keys, and those below it, may not stand twice
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
          unclear.push({ line, message: "a key has to be a word" });
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

/** The deepest key and value on the way along `path`, and whether the way went to its end. */
function walk(document: Document.Parsed, path: KeyPath) {
  let key: unknown;
  let value: unknown = document.contents;
  for (const step of path) {
    const from: unknown = isAlias(value) ? value.resolve(document) : value;
    if (isMap(from)) {
      const pair = from.items.findLast((item) => keyText(item.key) === String(step));
      // A key that comes from a merge (<<) stands elsewhere.
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
 * Parses the text of a settings file. Never throws: what is wrong is in `problems`.
 *
 * @param root the key at the top that the settings stand under
 */
export function parseSettingsText(source: string, root: string): SettingsText {
  // As Python's text mode does; it leaves one kind of line break to count.
  const text = source.replaceAll(/\r\n?/g, "\n");
  const lines = new LineCounter();
  const document = parse(text, lines);
  const lineAt = (node: unknown): number =>
    isNode(node) ? lines.linePos(node.range?.[0] ?? 0).line : 1;
  const problems: TextProblem[] = [];
  let value: unknown;

  // PyYAML refuses these too. A file that holds them is no settings file at all, so nothing else is
  // said of it.
  const unprintable = /[^\P{Cc}\t\n\u0085]|[\p{Cs}\uFFFE\uFFFF]/u.exec(text);
  // Whatever follows a syntax error may be wrong for its sake alone, so only the first is told.
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
    const tags = document.warnings.filter(({ code }) => code === "TAG_RESOLVE_FAILED");
    const { unclear, doubled } = structureProblems(document, root, lineAt);
    for (const { pos, message } of tags) {
      unclear.push({ line: lines.linePos(pos[0]).line, message: `not YAML: ${message}` });
    }
    try {
      if (unclear.length === 0) value = document.toJS();
    } catch (error) {
      // Aliases of aliases of aliases, made to fill the memory.
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
