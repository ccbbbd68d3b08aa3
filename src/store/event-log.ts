/**
 * The event log: `logs/imagehub.log`, one line an event, and one dated file a day behind it.
 *
 * A line is `2021-09-24 08:27:13,477 ~ BackDeck|Restart|rpi13|…`. The log turns over as Python's `TimedRotatingFileHandler`
 * with `when="midnight"` and `backupCount=995` does it: at the first record of a new day `imagehub.log` becomes
 * `imagehub.log.YYYY-MM-DD`, after the day its records belong to. Readers are never shown an empty or a missing
 * `imagehub.log`, and nothing of a dated log that is already there is lost.
 *
 * The file is opened anew for each line: so it does not matter which thread turned it over, or whether someone moved it
 * away, a line never goes to a file that has no name any more, and the disk can be unmounted, or made read-only, in between.
 *
 * @module
 */

import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import { type Calendar, type LocalTime, threeDigits } from "../clock.ts";
import {
  announce,
  close,
  fsync,
  fsyncDirectory,
  link,
  openAppend,
  sizeOf,
  SystemError,
  truncate,
  unlink,
  writeBytes,
  writeSome,
} from "../libc.ts";
import { SharedLock } from "../threads/lock.ts";
import { Integer, type Shared } from "../threads/shared.ts";
import type { DataDirectory } from "./data-directory.ts";
import { TEMPORARY_PREFIX, WholeFileWriter } from "./whole-file.ts";

/** Dated logs that are kept; the oldest beyond these go. */
const DATED_LOGS_MAX = 995;

const DATED_LOG = /^imagehub\.log\.\d{4}-\d{2}-\d{2}$/;
const LINE_DATE = /^(\d{4})-(\d{2})-(\d{2}) \d{2}:\d{2}:\d{2},\d{3} ~ /;

/** How far a log's last record may be ahead of the clock and still count: a clock that was corrected over midnight. */
const AHEAD_MICROS_MAX = 2 * 86_400_000_000;

/** How much of the end of a log is read to find its last record, in bytes: more than any line is long. */
const TAIL_BYTES = 64 * 1024;

const NEWLINE = 0x0a;

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
    private readonly data: DataDirectory,
  ) {
    this.lock = new SharedLock(shared.integers, Integer.eventLogLock);
    this.integers = shared.integers;
    this.path = `${directory}/imagehub.log`;
    this.files = new WholeFileWriter(data, durable);
  }

  /**
   * Appends a record with the time of now.
   *
   * @param text on one line, see `oneLine` in `names.ts`
   * @throws {Error} and the log is as it was; {DataDirectoryGone} too
   */
  append(text: string): void {
    this.lock.hold(() => {
      const micros = this.calendar.now();
      const time = this.calendar.local(micros);
      const line = Buffer.from(
        `${time.date} ${time.hour}:${time.minute}:${time.second},${threeDigits(micros)} ~ ${text}\n`,
      );
      // After a failure the day is looked up again in what then is there.
      const known = this.integers[Integer.eventLogDay]!;
      this.integers[Integer.eventLogDay] = 0;
      let day = known || (this.takeOver() ?? time.day);
      // A clock that was set back over midnight goes on in the same file. One that had been years ahead must not: there
      // would be no turning over until then.
      if (day > time.day && day > this.calendar.local(micros + AHEAD_MICROS_MAX).day) day = time.day;
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
      this.data.check();
      appendWhole(fd, line);
      if (this.durable) fsync(fd);
    } finally {
      close(fd);
    }
  }

  /**
   * Makes a new `imagehub.log` that holds this line from its first moment, in place of one that may be there.
   *
   * @param keepOld called when only the new file's name is missing: what there is no space for has failed by then
   */
  private begin(line: Buffer, keepOld: () => void = () => undefined): void {
    this.data.makeFolder(this.directory);
    if (this.durable) fsyncDirectory(dirname(this.directory));
    const temporary = `${this.directory}/${TEMPORARY_PREFIX}${process.pid}`;
    unlink(temporary);
    this.files.create(
      this.directory,
      (fd) => writeBytes(fd, line),
      () => temporary,
    );
    try {
      keepOld();
      renameSync(temporary, this.path);
    } finally {
      unlink(temporary);
    }
    if (this.durable) fsyncDirectory(this.directory);
  }

  /** Gives the log its dated name and begins a new one with this line. */
  private turnOver(day: number, line: Buffer): void {
    if (!existsSync(this.path)) return this.begin(line);
    const dated = `${this.path}.${dateOf(day)}`;
    let isLinked = false;
    this.begin(line, () => {
      isLinked = this.keepAs(dated);
    });
    // Whoever watches is told of the other ways by the kernel.
    if (isLinked) announce(dated);
    this.removeOldest();
  }

  /** Gives the log its dated name as a second one. @returns whether by a link */
  private keepAs(dated: string): boolean {
    try {
      link(this.path, dated);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (existsSync(dated)) this.mergeInto(dated);
      // A file system without hard links: the log is missing for the moment until the new one has its name.
      else renameSync(this.path, dated);
      return false;
    }
  }

  /** Appends the log to a dated one that is already there. */
  private mergeInto(dated: string): void {
    const log = readFileSync(this.path);
    const end = endOf(dated, log.byteLength);
    // It was turned over before, by a link or by a merge, and the hub ended before it began the next.
    if (end.equals(log)) return;
    const isCut = end.byteLength > 0 && end.at(-1) !== NEWLINE;
    const fd = openAppend(dated);
    try {
      appendWhole(fd, isCut ? Buffer.concat([Buffer.of(NEWLINE), log]) : log);
      if (this.durable) fsync(fd);
    } finally {
      close(fd);
    }
  }

  /** The record stands by now, so what cannot be removed only stays. */
  private removeOldest(): void {
    const dated = readdirSync(this.directory)
      .filter((name) => DATED_LOG.test(name))
      .toSorted();
    for (const name of dated.slice(0, -DATED_LOGS_MAX)) {
      try {
        unlinkSync(`${this.directory}/${name}`);
      } catch {
        // Tried again when the log turns over the next time.
      }
    }
  }

  /** Cuts off what a power cut can leave at the end of a file: zeros where the bytes had not reached the disk. */
  private cutZeros(): void {
    for (;;) {
      const end = endOf(this.path, TAIL_BYTES);
      const zeros = zerosAtEnd(end);
      if (zeros === 0) return;
      truncateSync(this.path, statSync(this.path).size - zeros);
    }
  }

  /**
   * Takes over a log that an earlier run left: finishes a line that was cut off.
   *
   * @returns the day of its last record, or undefined where there is no log
   */
  private takeOver(): number | undefined {
    this.data.check();
    if (!existsSync(this.path)) return undefined;
    // Its name may not be on the disk yet: whoever gave it may have failed, or ended, before that.
    if (this.durable) fsyncDirectory(this.directory);
    const { mtimeMs } = statSync(this.path);
    this.cutZeros();
    const tail = endOf(this.path, TAIL_BYTES).toString();
    if (tail !== "" && !tail.endsWith("\n")) this.appendLine(Buffer.from("\n"));
    const date = tail
      .split("\n")
      .map((line) => LINE_DATE.exec(line))
      .findLast((match) => match !== null);
    if (date) return Number(`${date[1]}${date[2]}${date[3]}`);
    return this.calendar.local(mtimeMs * 1000).day;
  }
}

/** How many zero bytes are at the end. */
function zerosAtEnd(bytes: Uint8Array): number {
  return bytes.byteLength - (bytes.findLastIndex((byte) => byte !== 0) + 1);
}

/** The last bytes of a file, `bytesMax` or all that it has. */
function endOf(path: string, bytesMax: number): Buffer {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, bytesMax));
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.byteLength, size - bytes.byteLength));
  } finally {
    closeSync(fd);
  }
}

/** Appends all of the bytes or, where that fails, none. */
function appendWhole(fd: number, bytes: Uint8Array): void {
  // Most often it is written at once, and then there is no need to know how long the file was.
  const first = writeSome(fd, bytes);
  if (first === bytes.byteLength) return;
  const size = sizeOf(fd) - first;
  try {
    writeBytes(fd, bytes.subarray(first));
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
