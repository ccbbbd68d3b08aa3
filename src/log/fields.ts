/**
 * Turns fields of log lines into text: always one line, without terminal controls, of bounded
 * length.
 *
 * @module
 */

/** Facts that belong to a line, by name. Nested objects become names with dots. */
export type Fields = Readonly<Record<string, unknown>>;

/** Maximum characters of a message or a field; journald splits lines above 48 KiB. */
const TEXT_CHARS_MAX = 4096;
/** Maximum fields of a line. */
const FIELDS_MAX = 64;
/** Maximum depth of objects in fields. */
const DEPTH_MAX = 4;

/** Characters that end a line, control a terminal, or reverse the direction of text. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u{202A}-\u{202E}\u{2066}-\u{2069}]/gu;
const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Escapes unsafe characters as JSON does, so it also works on finished JSON. */
export function escape(text: string): string {
  return text.replaceAll(
    UNSAFE,
    (character) =>
      SHORT_ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Shortens a long text and adds an ellipsis. */
export function cut(text: string): string {
  return text.length > TEXT_CHARS_MAX ? `${text.slice(0, TEXT_CHARS_MAX)}…` : text;
}

/** The message of an error and of its causes, on one line. */
function errorText(error: Error, depth = 0): string {
  const text = error.message || error.name;
  return error.cause instanceof Error && depth < DEPTH_MAX
    ? `${text}: ${errorText(error.cause, depth + 1)}`
    : text;
}

type Simple = string | number | boolean | null;

/** Turns a value into one that JSON can hold. Objects with parts stay as they are. */
function simplify(value: unknown): Simple | object {
  switch (typeof value) {
    case "string":
      return cut(value);
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
    case "symbol":
      return String(value);
    case "object":
      if (value instanceof Error) return cut(errorText(value));
      if (value instanceof Date)
        return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
        return `<${value.byteLength} bytes>`;
      return value;
    case "function":
    case "undefined":
      return `<${typeof value}>`;
    default:
      return null;
  }
}

const isSimple = (value: Simple | object): value is Simple =>
  value === null || typeof value !== "object";

/** A field as it is written: a flat name and a simple value. */
export type Entry = readonly [name: string, value: Simple];

/** The fields as a flat list, without undefined ones. */
export function flatten(fields: Fields, prefix = "", depth = 0): Entry[] {
  const entries: Entry[] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (entries.length >= FIELDS_MAX) break;
    const name = cut(prefix + key);
    const simple = simplify(value);
    if (isSimple(simple)) entries.push([name, simple]);
    else if (depth >= DEPTH_MAX) entries.push([name, "…"]);
    else entries.push(...flattenObject(simple, name, depth));
  }
  return entries.slice(0, FIELDS_MAX);
}

/** A list of simple values stays one field. Anything else becomes one field per part. */
function flattenObject(value: object, name: string, depth: number): Entry[] {
  if (Array.isArray(value)) {
    const items = value.slice(0, FIELDS_MAX).map(simplify);
    if (items.every(isSimple)) return [[name, cut(items.join(","))]];
  }
  return flatten({ ...value }, `${name}.`, depth + 1);
}

/** Fields as `key=value`. Values with spaces, quotes or = are quoted. */
export function fieldsText(fields: Fields): string {
  const words = flatten(fields).map(([name, value]) => {
    const text = String(value);
    return `${name}=${/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)}`;
  });
  return escape(words.join(" "));
}
