/**
 * The event log: `logs/imagehub.log`, one line an event, and one dated file a day behind it.
 *
 * A line is `2021-09-24 08:27:13,477 ~ BackDeck|Restart|rpi13|…`. The log turns over as Python's `TimedRotatingFileHandler`
 * with `when="midnight"` and `backupCount=995` does it: at the first record of a new day `imagehub.log` becomes
 * `imagehub.log.YYYY-MM-DD`, after the day its records belong to. Readers are never shown an empty or a missing
 * `imagehub.log`, and nothing of a dated log that is already there is lost.
 *
 * The file is opened anew for each line: so it does not matter which writer turned it over, or whether someone moved it
 * away, and a line never goes to a file that has no name any more.
 *
 * @module
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, unlinkSync } from "node:fs";
import { type Calendar, type LocalTime, threeDigits } from "../clock.ts";
import {
  close,
  fsync,
  fsyncDirectory,
  link,
  openAppend,
  sizeOf,
  SystemError,
  truncate,
  writeBytes,
} from "../libc.ts";
import { SharedLock } from "../threads/lock.ts";
import { Integer, type Shared } from "../threads/shared.ts";
import { TEMPORARY_PREFIX, WholeFileWriter } from "./whole-file.ts";

/** Dated logs that are kept; the oldest beyond these go. */
const DATED_LOGS_MAX = 995;

const DATED_LOG = /^imagehub\.log\.\d{4}-\d{2}-\d{2}$/;
const LINE_DATE = /^(\d{4})-(\d{2})-(\d{2}) \d{2}:\d{2}:\d{2},\d{3} ~ /;

/** How much of the end of a log is read to find its last record, in bytes: more than any line is long. */
const TAIL_BYTES = 64 * 1024;

/** Appends lines to the event log. Each thread has its own object; the lock and the log's day are shared. */
export class EventLog {
  private readonly lock: SharedLock;
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly path: string;
  private readonly files: WholeFileWriter;

  /**
   * @param directory `<data_directory>/logs`
   * @param durable whether a line is on the disk when `append` returns
   */
  constructor(
    private readonly directory: string,
    private readonly calendar: Calendar,
    shared: Shared,
    private readonly durable: boolean,
  ) {
    this.lock = new SharedLock(shared.integers, Integer.eventLogLock);
    this.integers = shared.integers;
    this.path = `${directory}/imagehub.log`;
    this.files = new WholeFileWriter(durable);
  }

  /**
   * Appends a record with the time of now.
   *
   * @param text on one line, see `oneLine` in `names.ts`
   * @throws {Error} and the log is as it was
   */
  append(text: string): void {
    this.lock.hold(() => {
      const micros = this.calendar.now();
      const time = this.calendar.local(micros);
      const line = Buffer.from(
        `${time.date} ${time.hour}:${time.minute}:${time.second},${threeDigits(micros)} ~ ${text}\n`,
      );
      // After a failure the day is looked up again in what then is there.
      const day = this.integers[Integer.eventLogDay]! || (this.takeOver() ?? time.day);
      this.integers[Integer.eventLogDay] = 0;
      // Not on a day before: a clock that was set back over midnight goes on in the same file.
      if (time.day > day) this.turnOver(day, line);
      else this.appendLine(line);
      this.integers[Integer.eventLogDay] = Math.max(day, time.day);
    });
  }

  /** Whether the log that is open now holds this text as a record of this day. */
  contains(text: string, time: LocalTime): boolean {
    if (!existsSync(this.path)) return false;
    const lines = readFileSync(this.path, "utf8").split("\n");
    return lines.some((line) => line.startsWith(time.date) && line.endsWith(` ~ ${text}`));
  }

  private appendLine(line: Buffer): void {
    let fd: number;
    try {
      fd = openAppend(this.path);
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== "ENOENT") throw error;
      this.begin(line);
      return;
    }
    try {
      appendWhole(fd, line);
      if (this.durable) fsync(fd);
    } finally {
      close(fd);
    }
  }

  /** Makes a new `imagehub.log` that holds this line from its first moment, in place of one that may be there. */
  private begin(line: Buffer): void {
    mkdirSync(this.directory, { recursive: true });
    const temporary = `${this.directory}/${TEMPORARY_PREFIX}${process.pid}`;
    if (existsSync(temporary)) unlinkSync(temporary);
    this.files.create(
      this.directory,
      (fd) => writeBytes(fd, line),
      () => temporary,
    );
    renameSync(temporary, this.path);
    if (this.durable) fsyncDirectory(this.directory);
  }

  /** Gives the log its dated name and begins a new one with this line. */
  private turnOver(day: number, line: Buffer): void {
    if (!existsSync(this.path)) return this.begin(line);
    const dated = `${this.path}.${dateOf(day)}`;
    try {
      link(this.path, dated);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (error.code === "EEXIST") this.mergeInto(dated);
      // A file system without hard links: the log is missing for the moment that it takes to begin the next.
      else if (existsSync(dated)) throw error;
      else renameSync(this.path, dated);
    }
    this.begin(line);
    this.removeOldest();
  }

  /** Appends the log to a dated one that is already there. */
  private mergeInto(dated: string): void {
    const from = statSync(this.path);
    const to = statSync(dated);
    // The same file under both names: it was turned over before, and the hub ended before it began the next.
    if (from.ino === to.ino && from.dev === to.dev) return;
    const fd = openAppend(dated);
    try {
      appendWhole(fd, readFileSync(this.path));
      if (this.durable) fsync(fd);
    } finally {
      close(fd);
    }
  }

  private removeOldest(): void {
    const dated = readdirSync(this.directory)
      .filter((name) => DATED_LOG.test(name))
      .toSorted();
    for (const name of dated.slice(0, -DATED_LOGS_MAX)) unlinkSync(`${this.directory}/${name}`);
  }

  /**
   * Takes over a log that an earlier run left: finishes a line that was cut off.
   *
   * @returns the day of its last record, or undefined where there is no log
   */
  private takeOver(): number | undefined {
    if (!existsSync(this.path)) return undefined;
    const { size, mtimeMs } = statSync(this.path);
    const tail = tailOf(this.path, size);
    if (tail !== "" && !tail.endsWith("\n")) this.appendLine(Buffer.from("\n"));
    const date = tail
      .split("\n")
      .map((line) => LINE_DATE.exec(line))
      .findLast((match) => match !== null);
    if (date) return Number(`${date[1]}${date[2]}${date[3]}`);
    return this.calendar.local(mtimeMs * 1000).day;
  }
}

function tailOf(path: string, size: number): string {
  return readFileSync(path)
    .subarray(Math.max(0, size - TAIL_BYTES))
    .toString();
}

/** Appends all of the bytes or, where that fails, none. */
function appendWhole(fd: number, bytes: Uint8Array): void {
  const size = sizeOf(fd);
  try {
    writeBytes(fd, bytes);
  } catch (error) {
    truncate(fd, size);
    throw error;
  }
}

/** 20181230 is 2018-12-30. */
function dateOf(day: number): string {
  const digits = String(day).padStart(8, "0");
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`;
}
