/**
 * The hub's own log, on stdout and stderr. The event log, which keeps the messages of cameras, is a
 * file and has nothing to do with it.
 *
 * An entry is always one line without terminal controls, whatever names a stranger sends. Logging
 * never throws, never waits and never ends the process: the hub would rather lose lines.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { type LogObject, createConsola } from "consola/core";
import type { Fields } from "./fields.ts";
import {
  type Formatter,
  jsonFormatter,
  journalFormatter,
  type Line,
  type LogLevel,
  textFormatter,
} from "./format.ts";
import { type LogStream, sinkOf } from "./sink.ts";

/** How lines look; see {@link createLogger}. */
export type LogFormat = "auto" | "text" | "journal" | "json";

/** Writes lines of four levels. */
export interface Log {
  /** The hub failed at something it was asked to do. Goes to stderr. */
  error(message: string, fields?: Fields): void;
  /** Something is wrong, but the hub carries on. Goes to stderr. */
  warn(message: string, fields?: Fields): void;
  /** What a person wants to know on a normal day. Goes to stdout. */
  info(message: string, fields?: Fields): void;
  /** Helps to find a fault. Goes to stdout. */
  debug(message: string, fields?: Fields): void;
  /** From now on, less important lines are not written. */
  setLevel(level: LogLevel): void;
  /**
   * Waits until all lines have left the process, up to `waitMsMax` (default 1000). Call it before
   * exiting.
   */
  flush(waitMsMax?: number): Promise<void>;
}

/** The parts of a log. */
export interface LogOptions {
  /** The least important level to write. */
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** For JOURNAL_STREAM, NO_COLOR and TERM. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For info and debug. */
  readonly stdout: LogStream;
  /** For error and warn. */
  readonly stderr: LogStream;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

const CONSOLA_LEVELS: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 3, debug: 4 };

/**
 * Whether systemd connected this stream to the journal. JOURNAL_STREAM then holds its device and
 * inode. The variable alone is not enough: children of a service inherit it with other streams.
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
  if (format === "journal" || (format === "auto" && isJournal(stream, env)))
    return journalFormatter;
  return textFormatter(stream.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb");
}

const isTrouble = (level: LogLevel): boolean => level === "error" || level === "warn";

/**
 * Makes the log of a process. Formats:
 * - `text`: local time, level, message and `key=value`; coloured on a terminal, unless NO_COLOR is
 * set
 * - `journal`: one line that starts with its priority (`<3>`, `<4>`, `<6>`, `<7>`), without the
 * time, which the journal adds
 * - `json`: one object per line: `time` (UTC), `level`, `message`, then the fields; a field with
 * one of these names becomes `field.time` and so on
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
    const dropped = sink.clearDropped();
    if (dropped > 0) {
      const message = "Dropped lines of this log, because nobody read them";
      sink.write(format({ ...line, level: "warn", message, fields: { dropped } }));
    }
    try {
      sink.write(format(line));
    } catch {
      // For example, a getter of a field throws. The message itself is a string.
      sink.write(format({ ...line, fields: {} }));
    }
  }

  const consola = createConsola({
    level: CONSOLA_LEVELS[options.level],
    reporters: [{ log: report }],
    // Consola would hold back repeated lines, with timers of its own. Floods are stopped at their
    // source instead.
    throttle: Number.NEGATIVE_INFINITY,
  });

  async function flush(waitMsMax = 1000): Promise<void> {
    await Promise.all([outputs.stdout.sink.flush(waitMsMax), outputs.stderr.sink.flush(waitMsMax)]);
  }

  function setLevel(level: LogLevel): void {
    consola.level = CONSOLA_LEVELS[level];
  }

  const write =
    (level: LogLevel) =>
    (message: string, fields: Fields = {}): void =>
      consola[level].raw({ level, timeMs: now(), message, fields } satisfies Line);
  return {
    error: write("error"),
    warn: write("warn"),
    info: write("info"),
    debug: write("debug"),
    setLevel,
    flush,
  };
}
