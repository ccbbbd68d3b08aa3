/**
 * Formats a log line: for people, for systemd's journal, or as JSON.
 *
 * @module
 */

import { cut, type Entry, escape, type Fields, fieldsText, flatten } from "./fields.ts";

/** Importance of a line, most important first. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** Priorities of syslog(3), as sd-daemon(3) expects them at the start of a line. */
const PRIORITIES: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };
const COLOURS: Readonly<Record<LogLevel, number>> = { error: 31, warn: 33, info: 32, debug: 36 };

/** A line before formatting. */
export interface Line {
  readonly level: LogLevel;
  readonly timeMs: number;
  readonly message: string;
  readonly fields: Fields;
}

/** Makes the text of a line, without the line break. */
export type Formatter = (line: Line) => string;

const two = (number: number): string => String(number).padStart(2, "0");

/** Local time, for people at the place. */
function localTime(timeMs: number): string {
  const time = new Date(timeMs);
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`;
}

/** Local time, level, message and `key=value`. */
export function textFormatter(isColoured: boolean): Formatter {
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

/** Priority first, without the time, which the journal adds. */
export const journalFormatter: Formatter = ({ level, message, fields }) => {
  const tail = fieldsText(fields);
  return `<${PRIORITIES[level]}>${escape(cut(message))}${tail === "" ? "" : ` ${tail}`}`;
};

/**
 * One object: `time` (UTC), `level`, `message`, then the fields. A field with one of these names
 * becomes `field.time` and so on.
 */
export const jsonFormatter: Formatter = ({ level, timeMs, message, fields }) => {
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
