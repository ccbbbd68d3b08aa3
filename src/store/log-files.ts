/**
 * Reads files of the event log. They may have hundreds of megabytes, so none is read as a whole.
 *
 * @module
 */

import { fstatSync, readdirSync, readSync, statSync, truncateSync } from "node:fs";
import { close, fsync, openAppend, openRead, truncate, writeBytes } from "../os/files.ts";
import { dayOf, dayOfLog } from "./data-directory.ts";

const RECORD = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2},\d{3}) ~ (.*)$/s;

/** Bytes per read: more than any line has. */
const PIECE_BYTES = 64 * 1024;

/** `2021-09-24 08:27:13,477`, in bytes. */
const TIME_BYTES = 23;

const NEWLINE = 0x0a;

/**
 * The days of the dated logs in a folder, e.g. 20181230, earliest first; empty if it cannot be
 * read.
 */
export function datedLogs(folder: string): number[] {
  return namesIn(folder)
    .map((name) => dayOfLog(name))
    .filter((day) => day !== undefined)
    .toSorted((a, b) => a - b);
}

/** The entries of a folder; empty if it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A line of an event log by its parts, which are those of local time and a text. */
export interface LogRecord {
  /** Such as `2018-12-30`. */
  readonly date: string;
  /** Such as `23:13:31,620`. */
  readonly time: string;
  readonly text: string;
}

/** Reads a line of an event log; undefined if it is no record. */
export function readRecord(line: string): LogRecord | undefined {
  const [, date, time, text] = RECORD.exec(line) ?? [];
  if (date === undefined || time === undefined || text === undefined) return undefined;
  return { date, time, text };
}

/**
 * The lines of a log. A last one that is still being written is left out.
 *
 * @throws {SystemError} and {NotAFile}
 */
export function* linesOf(path: string): Generator<string> {
  const fd = openRead(path);
  try {
    let rest = Buffer.alloc(0);
    for (let at = 0; ;) {
      const piece = readAt(fd, at, PIECE_BYTES);
      if (piece.byteLength === 0) return;
      at += piece.byteLength;
      const bytes = Buffer.concat([rest, piece]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      rest = bytes.subarray(end);
      if (end > 0) yield* bytes.toString("utf8", 0, end - 1).split("\n");
    }
  } finally {
    close(fd);
  }
}

/**
 * The days of the records at both ends of a log. In between there are other days only if the clock
 * was set back and forth.
 *
 * @throws {SystemError} and {NotAFile}
 */
export function daysAtEnds(path: string): number[] {
  return withFile(path, (fd, size) => {
    const head = readAt(fd, 0, PIECE_BYTES).toString().split("\n");
    const lines = readAt(fd, Math.max(0, size - PIECE_BYTES), PIECE_BYTES)
      .toString()
      .split("\n");
    // Its first line is a partial one.
    const tail = size > PIECE_BYTES ? lines.slice(1) : lines;
    const days = [...head, ...tail].map((line) => dayOf(readRecord(line)?.date ?? ""));
    return [...new Set(days.filter((day) => day !== undefined))];
  });
}

/**
 * Whether a log contains this text as a record of a day. @param date such as `2018-12-30` @throws
 * {SystemError} and {NotAFile}
 */
export function hasRecord(path: string, date: string, text: string): boolean {
  const wanted = Buffer.from(` ~ ${text}\n`);
  return withFile(path, (fd, size) => {
    // Overlap the pieces, so a line cut by one is whole in the next.
    const step = PIECE_BYTES - wanted.byteLength - TIME_BYTES - 1;
    for (let at = 0; at < size; at += step) {
      const piece = readAt(fd, at, PIECE_BYTES);
      for (let hit = piece.indexOf(wanted); hit >= 0; hit = piece.indexOf(wanted, hit + 1)) {
        const start = hit - TIME_BYTES;
        const isLine = start > 0 ? piece[start - 1] === NEWLINE : at + start === 0;
        if (isLine && piece.toString("latin1", start, start + date.length) === date) return true;
      }
    }
    return false;
  });
}

/**
 * Finishes a truncated line at the end of a log. Removes what a power cut can leave there: zeros
 * for bytes that did not reach the disk.
 *
 * @throws {Error} of node:fs, {SystemError} and {NotAFile}
 */
export function mend(path: string): void {
  for (;;) {
    const end = withFile(path, (fd, size) =>
      readAt(fd, Math.max(0, size - PIECE_BYTES), PIECE_BYTES),
    );
    const zeros = end.byteLength - (end.findLastIndex((byte) => byte !== 0) + 1);
    if (zeros > 0) truncateSync(path, statSync(path).size - zeros);
    else if (end.byteLength > 0 && end.at(-1) !== NEWLINE) appendLine(path);
    else return;
  }
}

function appendLine(path: string): void {
  const fd = openAppend(path);
  try {
    writeBytes(fd, Buffer.of(NEWLINE));
  } finally {
    close(fd);
  }
}

/**
 * Appends one log to another, whole or not at all. Does nothing if the other already ends with it.
 *
 * @param durable whether it is flushed to disk before this returns
 * @throws {SystemError} and {NotAFile}
 */
export function appendLog(from: string, to: string, durable: boolean): void {
  withFile(from, (source, bytes) => {
    const toBytes = withFile(to, (end, size) => {
      const hasIt = size >= bytes && areEqual(source, 0, end, size - bytes, bytes);
      return hasIt ? undefined : size;
    });
    // It was rotated before, by a link or a merge, and the hub ended before it began the next log.
    if (toBytes === undefined) return;
    const fd = openAppend(to);
    try {
      copy(source, bytes, fd, isCut(to));
      if (durable) fsync(fd);
    } catch (error) {
      truncate(fd, toBytes);
      throw error;
    } finally {
      close(fd);
    }
  });
}

function copy(source: number, bytes: number, fd: number, startsAnew: boolean): void {
  if (startsAnew) writeBytes(fd, Buffer.of(NEWLINE));
  for (let at = 0; at < bytes; at += PIECE_BYTES)
    writeBytes(fd, readAt(source, at, Math.min(PIECE_BYTES, bytes - at)));
}

function isCut(path: string): boolean {
  return withFile(path, (fd, size) => size > 0 && readAt(fd, size - 1, 1)[0] !== NEWLINE);
}

function areEqual(
  one: number,
  oneAt: number,
  other: number,
  otherAt: number,
  bytes: number,
): boolean {
  for (let at = 0; at < bytes; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, bytes - at);
    if (!readAt(one, oneAt + at, length).equals(readAt(other, otherAt + at, length))) return false;
  }
  return true;
}

function withFile<T>(path: string, use: (fd: number, size: number) => T): T {
  const fd = openRead(path);
  try {
    return use(fd, fstatSync(fd).size);
  } finally {
    close(fd);
  }
}

function readAt(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, at));
}
