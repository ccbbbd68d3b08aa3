/**
 * The operational log: what the hub tells about its own work, on stdout and stderr. The event log, which keeps what
 * cameras tell, is another thing and a file.
 *
 * A line is always one line and free of terminal controls, whatever names a stranger on the network sends. Logging
 * never throws, never waits and never ends the process: lines are lost before the hub is.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { type LogObject, createConsola } from "consola/core";

/** Importance of a line, the most important first. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** How lines look; see {@link createLogger}. */
export type LogFormat = "auto" | "text" | "journal" | "json";

/** Facts that belong to a line, by name. Objects in them are flattened to names with dots. */
type Fields = Readonly<Record<string, unknown>>;

/** Where lines go: process.stdout and process.stderr, or any other stream. */
type LogStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly fd?: number };

/** Takes lines of four levels. */
export interface Log {
  /** The hub failed at something it was asked to do. To stderr. */
  error(message: string, fields?: Fields): void;
  /** Something is not as it should be, and the hub goes on. To stderr. */
  warn(message: string, fields?: Fields): void;
  /** What a person wants to know of a normal day. To stdout. */
  info(message: string, fields?: Fields): void;
  /** What helps to find a fault. To stdout. */
  debug(message: string, fields?: Fields): void;
  /** A log that adds `fields` to each of its lines. */
  child(fields: Fields): Log;
  /** Waits until all lines have left the process, at most `waitMsMax` (default 1000). To be called before an exit. */
  flush(waitMsMax?: number): Promise<void>;
}

/** What a log is made of. */
export interface LogOptions {
  /** The least important level that is still written. */
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** For JOURNAL_STREAM, NO_COLOR and TERM. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes info and debug. */
  readonly stdout: LogStream;
  /** Takes error and warn. */
  readonly stderr: LogStream;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

/** Most characters of a message or of one field; journald splits lines above 48 KiB. */
const TEXT_CHARS_MAX = 4096;
/** Most fields of a line. */
const FIELDS_MAX = 64;
/** How deep objects in fields are looked into. */
const DEPTH_MAX = 4;
/** Most characters that wait for a reader who does not read; lines beyond are dropped and counted. */
const WAITING_CHARS_MAX = 1024 * 1024;

const CONSOLA_LEVELS: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 3, debug: 4 };
/** Priorities of syslog(3), as sd-daemon(3) wants them at the start of a line. */
const PRIORITIES: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };
const COLOURS: Readonly<Record<LogLevel, number>> = { error: 31, warn: 33, info: 32, debug: 36 };

// --- values to text ---

/** What ends a line, drives a terminal or turns the direction of writing around. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u{202A}-\u{202E}\u{2066}-\u{2069}]/gu;
const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Escapes as JSON does, so that it can also run over finished JSON. */
function escape(text: string): string {
  return text.replaceAll(
    UNSAFE,
    (character) => SHORT_ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function cut(text: string): string {
  return text.length > TEXT_CHARS_MAX ? `${text.slice(0, TEXT_CHARS_MAX)}…` : text;
}

/** An error and what caused it, in one line. */
function errorText(error: Error, depth = 0): string {
  const text = error.message || error.name;
  return error.cause instanceof Error && depth < DEPTH_MAX
    ? `${text}: ${errorText(error.cause, depth + 1)}`
    : text;
}

type Simple = string | number | boolean | null;

/** A value as JSON can hold it; an object that has parts of its own as it is. */
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
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `<${value.byteLength} bytes>`;
      return value;
    case "function":
    case "undefined":
      return `<${typeof value}>`;
    default:
      return null;
  }
}

const isSimple = (value: Simple | object): value is Simple => value === null || typeof value !== "object";

type Entry = readonly [name: string, value: Simple];

/** The fields as a flat list. What is not set is left out. */
function flatten(fields: Fields, prefix = "", depth = 0): Entry[] {
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

/** A list of simple values stays one field; anything else becomes one field for each of its parts. */
function flattenObject(value: object, name: string, depth: number): Entry[] {
  if (Array.isArray(value)) {
    const items = value.slice(0, FIELDS_MAX).map(simplify);
    if (items.every(isSimple)) return [[name, cut(items.join(","))]];
  }
  return flatten({ ...value }, `${name}.`, depth + 1);
}

/** Fields as `key=value`, with quotes where a value would else not end where it ends. */
function fieldsText(fields: Fields): string {
  const words = flatten(fields).map(([name, value]) => {
    const text = String(value);
    return `${name}=${/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)}`;
  });
  return escape(words.join(" "));
}

// --- lines ---

interface Line {
  readonly level: LogLevel;
  readonly timeMs: number;
  readonly message: string;
  readonly fields: Fields;
}

type Formatter = (line: Line) => string;

const two = (number: number): string => String(number).padStart(2, "0");

/** Local time, as people on the spot read it. */
function localTime(timeMs: number): string {
  const time = new Date(timeMs);
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`;
}

function textFormatter(isColoured: boolean): Formatter {
  const paint = (code: number, text: string): string =>
    isColoured && text !== "" ? `\u001B[${code}m${text}\u001B[0m` : text;
  return ({ level, timeMs, message, fields }) => {
    const parts = [
      paint(2, localTime(timeMs)),
      paint(COLOURS[level], level.padEnd(5)),
      escape(cut(message)),
      paint(2, fieldsText(fields)),
    ];
    return parts.filter((part) => part !== "").join(" ");
  };
}

const journalFormatter: Formatter = ({ level, message, fields }) => {
  const tail = fieldsText(fields);
  return `<${PRIORITIES[level]}>${escape(cut(message))}${tail === "" ? "" : ` ${tail}`}`;
};

const jsonFormatter: Formatter = ({ level, timeMs, message, fields }) => {
  const own: Entry[] = [
    ["time", new Date(timeMs).toISOString()],
    ["level", level],
    ["message", cut(message)],
  ];
  const names = new Set(own.map(([name]) => name));
  const others = flatten(fields).map(([name, value]): Entry => [
    names.has(name) ? `field.${name}` : name,
    value,
  ]);
  const members = [...own, ...others].map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  return escape(`{${members.join(",")}}`);
};

/**
 * Whether systemd connected this stream to the journal: JOURNAL_STREAM then holds its device and inode. The variable
 * alone says little, as the children of a service inherit it with other streams.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#%24JOURNAL_STREAM
 */
function isJournal(stream: LogStream, env: LogOptions["env"]): boolean {
  const journal = env["JOURNAL_STREAM"];
  if (!journal || stream.fd === undefined) return false;
  try {
    const { dev, ino } = fstatSync(stream.fd, { bigint: true });
    return journal === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

function chooseFormatter(stream: LogStream, { format, env }: LogOptions): Formatter {
  if (format === "json") return jsonFormatter;
  if (format === "journal" || (format === "auto" && isJournal(stream, env))) return journalFormatter;
  return textFormatter(stream.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb");
}

// --- streams ---

/** Writes lines to a stream without waiting, and outlives its reader. */
class Sink {
  readonly #stream: LogStream;
  readonly #waiters = new Set<() => void>();
  #waitingChars = 0;
  #dropped = 0;
  #isBroken = false;

  constructor(stream: LogStream) {
    this.#stream = stream;
    // Without a listener the error would end the process.
    stream.on("error", (error) => {
      // A reader that is gone does not come back. A full disk may get room again.
      this.#isBroken ||= "code" in error && error.code === "EPIPE";
    });
  }

  /** How many lines were dropped; told once, and only when there is room again. */
  takeDropped(): number {
    const dropped = this.#isFull ? 0 : this.#dropped;
    this.#dropped -= dropped;
    return dropped;
  }

  write(line: string): void {
    if (this.#isBroken) return;
    if (this.#isFull) {
      this.#dropped++;
      return;
    }
    const text = `${line}\n`;
    this.#waitingChars += text.length;
    try {
      this.#stream.write(text, () => this.#written(text.length));
    } catch {
      this.#isBroken = true;
      this.#written(text.length);
    }
  }

  async flush(waitMsMax: number): Promise<void> {
    if (this.#waitingChars === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add(resolve);
    const timer = setTimeout(resolve, waitMsMax);
    await promise;
    clearTimeout(timer);
    this.#waiters.delete(resolve);
  }

  get #isFull(): boolean {
    return this.#waitingChars > WAITING_CHARS_MAX;
  }

  #written(chars: number): void {
    this.#waitingChars -= chars;
    if (this.#waitingChars > 0) return;
    for (const wake of this.#waiters) wake();
  }
}

/** One sink for a stream, however many logs write to it, so that its listener and its bound are there once. */
const sinks = new WeakMap<LogStream, Sink>();

function sinkOf(stream: LogStream): Sink {
  const sink = sinks.get(stream) ?? new Sink(stream);
  sinks.set(stream, sink);
  return sink;
}

// --- the log ---

const isTrouble = (level: LogLevel): boolean => level === "error" || level === "warn";

/**
 * Makes the log of a process. Formats:
 * - `text`: local time, level, message and `key=value`; coloured on a terminal, unless NO_COLOR is set
 * - `journal`: one line with its priority in front (`<3>`, `<4>`, `<6>`, `<7>`) and no time, which the journal adds
 * - `json`: one object a line: `time` (UTC), `level`, `message`, then the fields; one of these names becomes `field.time`
 * - `auto`: `journal` on a stream that systemd connected to the journal, else `text`
 */
export function createLogger(options: LogOptions): Log {
  const { stdout, stderr, now = Date.now } = options;
  const outputs = {
    stdout: { sink: sinkOf(stdout), format: chooseFormatter(stdout, options) },
    stderr: { sink: sinkOf(stderr), format: chooseFormatter(stderr, options) },
  };

  function report({ args }: LogObject): void {
    const line: Line = args[0];
    const { sink, format } = isTrouble(line.level) ? outputs.stderr : outputs.stdout;
    const dropped = sink.takeDropped();
    if (dropped > 0) {
      const message = "Lines of this log were dropped, as nobody read them";
      sink.write(format({ ...line, level: "warn", message, fields: { dropped } }));
    }
    try {
      sink.write(format(line));
    } catch {
      // A field whose getter throws, say. The message itself is a string.
      sink.write(format({ ...line, fields: {} }));
    }
  }

  const consola = createConsola({
    level: CONSOLA_LEVELS[options.level],
    reporters: [{ log: report }],
    // Consola would hold back repeated lines on timers of its own; floods are stopped where they rise.
    throttle: Number.NEGATIVE_INFINITY,
  });

  async function flush(waitMsMax = 1000): Promise<void> {
    await Promise.all([outputs.stdout.sink.flush(waitMsMax), outputs.stderr.sink.flush(waitMsMax)]);
  }

  function makeLog(own: Fields): Log {
    const write =
      (level: LogLevel) =>
      (message: string, fields?: Fields): void =>
        consola[level].raw({ level, timeMs: now(), message, fields: { ...own, ...fields } } satisfies Line);
    return {
      error: write("error"),
      warn: write("warn"),
      info: write("info"),
      debug: write("debug"),
      child: (fields) => makeLog({ ...own, ...fields }),
      flush,
    };
  }
  return makeLog({});
}
