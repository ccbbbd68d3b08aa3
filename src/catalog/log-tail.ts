/**
 * The lines that are appended to the event log, over its rotation, and over whatever else becomes
 * of it. No file is held open, so its disk can be unmounted.
 *
 * @module
 */

import { fstatSync, readSync } from "node:fs";
import { SystemError } from "../os/ffi.ts";
import { close, openRead } from "../os/files.ts";
import { type DataDirectory, dayOf } from "../store/data-directory.ts";
import { datedLogs, readRecord } from "../store/log-files.ts";

/** Bytes per read. What has no end of line in so many is skipped. */
const PIECE_BYTES = 64 * 1024;

/** How long a log is read after it got its dated name: a command may still append to it. */
const LATE_MS = 60_000;

const NEWLINE = 0x0a;
const NO_FILE = "";
const NO_LINE = Buffer.alloc(0);

/** How far a log is read. */
interface Place {
  path: string;
  /** The file's numbers, or {@link NO_FILE}. */
  id: string;
  /** The end of the last whole line that was read, and that line. */
  at: number;
  line: Buffer;
}

/** Follows the event log. */
export class LogTail {
  private now: Place;
  private isStarted = false;
  /** Logs that have got their dated names, and until when they are read. */
  private late: { place: Place; untilMs: number }[] = [];
  /** The days of dated logs that were there when it was looked last. */
  private dated = new Set<number>();

  /** @param onLine is told each line, without its end */
  constructor(
    private readonly directory: DataDirectory,
    private readonly onLine: (line: string) => void,
  ) {
    this.now = this.begin(NO_LINE);
  }

  /** What is there now is not told. @throws {SystemError} and {NotAFile} */
  start(): void {
    this.isStarted = false;
    this.dated = new Set(datedLogs(this.directory.logs));
    withFile(this.now.path, (fd, id, size) => {
      const from = Math.max(0, size - PIECE_BYTES);
      const piece = readAt(fd, from, PIECE_BYTES);
      const end = piece.lastIndexOf(NEWLINE) + 1;
      Object.assign(this.now, { id, at: from + end, line: lastLine(piece, end) });
    });
    this.isStarted = true;
  }

  /** Tells what is new. @throws {SystemError} and {NotAFile} */
  read(): void {
    // It could not be read at the start.
    if (!this.isStarted) return this.start();
    this.late = this.late.filter(({ untilMs }) => performance.now() < untilMs);
    for (const { place } of this.late) this.readOn(place);
    while (!this.readOn(this.now)) {
      // Another log is there, so the hub writes to the former no more. It is looked up before the
      // dated ones, as the log may turn over at any moment.
      const next = withFile(this.now.path, (_, id) => id) ?? NO_FILE;
      // Without hard links, there is none for a moment, and that may be all that was seen of a day.
      if (this.now.id !== NO_FILE || this.now.line.length > 0) this.finish(next);
      this.now.id = next;
      if (next === NO_FILE) return;
    }
  }

  /** Reads the rest of the former log, and those between it and the present one. */
  private finish(next: string): void {
    const { dated, directory, now: former } = this;
    const days = datedLogs(directory.logs);
    const lastDay = dayOf(readRecord(former.line.toString())?.date ?? "") ?? 0;
    let { line } = former;
    for (const day of days) {
      const place: Place = { path: directory.datedLog(day), id: NO_FILE, at: 0, line };
      withFile(place.path, (fd, id, size) => {
        if (id === former.id) Object.assign(place, former, { path: place.path });
        // Restored, or it has turned over just now and is finished next.
        else if (day < lastDay || id === next) return;
        // The former was appended to it, or it has nothing to do with it.
        else if (dated.has(day) && endOf(line, fd, size) === undefined) return;
        place.id = id;
      });
      const isKnown = this.late.some(
        (other) => other.place.id === place.id && other.place.path === place.path,
      );
      if (place.id === NO_FILE || isKnown) continue;
      this.readOn(place);
      if (place.line.length > 0) ({ line } = place);
      this.late.push({ place, untilMs: performance.now() + LATE_MS });
    }
    this.dated = new Set(days);
    this.now = this.begin(line);
  }

  private begin(line: Buffer): Place {
    return { path: this.directory.eventLog, id: NO_FILE, at: 0, line };
  }

  /** Reads whole lines. @returns whether the file is still there */
  private readOn(place: Place): boolean {
    const isThere = withFile(place.path, (fd, id, size) => {
      if (id !== place.id) return false;
      // Somebody has made it shorter, or has written it anew.
      if (!endsAt(place, fd, size)) {
        place.at = endOf(place.line, fd, size) ?? 0;
        if (place.at === 0) place.line = NO_LINE;
      }
      while (this.readPiece(place, fd));
      return true;
    });
    return isThere ?? false;
  }

  /** @returns whether there may be more */
  private readPiece(place: Place, fd: number): boolean {
    const piece = readAt(fd, place.at, PIECE_BYTES);
    const end = piece.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      if (piece.length < PIECE_BYTES) return false;
      place.at += piece.length;
      place.line = NO_LINE;
      return true;
    }
    place.at += end;
    place.line = lastLine(piece, end);
    for (const line of piece.toString("utf8", 0, end - 1).split("\n")) this.onLine(line);
    return true;
  }
}

/** The line that ends here, with its end. */
function lastLine(piece: Buffer, end: number): Buffer {
  const start = piece.subarray(0, Math.max(0, end - 1)).lastIndexOf(NEWLINE) + 1;
  return Buffer.from(piece.subarray(start, end));
}

/** Whether a file is what was read, as far as it was. */
function endsAt({ at, line }: Place, fd: number, size: number): boolean {
  const start = at - line.length;
  return at <= size && start >= 0 && readAt(fd, start, line.length).equals(line);
}

/** The end of the last such line in a file. @returns undefined if there is none */
function endOf(line: Buffer, fd: number, size: number): number | undefined {
  if (line.length === 0) return undefined;
  let end: number | undefined;
  for (let at = 0; at < size; at += PIECE_BYTES) {
    // They overlap, so that a line is whole in one of them.
    const place = readAt(fd, at, PIECE_BYTES + line.length - 1).lastIndexOf(line);
    if (place >= 0) end = at + place + line.length;
  }
  return end;
}

/** @returns undefined if there is no file */
function withFile<T>(
  path: string,
  use: (fd: number, id: string, size: number) => T,
): T | undefined {
  let fd: number;
  try {
    fd = openRead(path);
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { dev, ino, size } = fstatSync(fd);
    return use(fd, `${dev}:${ino}`, size);
  } finally {
    close(fd);
  }
}

function readAt(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, at));
}
