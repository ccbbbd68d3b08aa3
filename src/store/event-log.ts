/**
 * The event log: `logs/imagehub.log` with one line per event, and one dated file per earlier day.
 *
 * A line is `2021-09-24 08:27:13,477 ~ BackDeck|Restart|rpi13|…`. The log rotates like Python's
 * `TimedRotatingFileHandler` with `when="midnight"` and `backupCount=995`: at the first record of a
 * new day, `imagehub.log` becomes `imagehub.log.YYYY-MM-DD`, named after the day of its records.
 * Readers never see an empty or missing `imagehub.log`. An existing dated log never loses anything.
 * The oldest ones are deleted by `keep/old-logs.ts`, which asks the archive, and tells.
 *
 * A wrong clock changes no names. While the clock is behind all records, new ones go to the current
 * log, which keeps the day of its other records.
 *
 * The file is opened for each line. So it does not matter which thread rotated it, or whether
 * someone moved it away. A line never goes to a file that has lost its name. In between, the disk
 * can be unmounted or made read-only.
 *
 * @module
 */

import { existsSync, renameSync, statSync } from "node:fs";
import { type Calendar, type LocalTime, threeDigits } from "../protocol/calendar.ts";
import { SystemError } from "../os/ffi.ts";
import {
  announce,
  close,
  fsync,
  fsyncDirectory,
  link,
  openAppend,
  openRead,
  NotAFile,
  sizeOf,
  truncate,
  unlink,
  writeBytes,
  writeSome,
} from "../os/files.ts";
import { SharedLock } from "../shared/lock.ts";
import { Integer, type Shared } from "../shared/memory.ts";
import { type DataDirectory, Part, temporaryIn } from "./data-directory.ts";
import type { DataGuard } from "./data-guard.ts";
import { appendLog, datedLogs, daysAtEnds, hasRecord, mend } from "./log-files.ts";
import { endOfLog } from "./log-place.ts";
import { WholeFileWriter } from "./whole-file.ts";

/**
 * How far a log's last record may be ahead of the clock and still count, because a clock may be
 * corrected over midnight.
 */
const AHEAD_MICROS_MAX = 2 * 86_400_000_000;

/**
 * Appends lines to the event log. Each thread has its own object. The lock and the log's day are
 * shared.
 */
export class EventLog {
  private readonly lock: SharedLock;
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly directory: DataDirectory;
  /** Of `imagehub.log`. */
  private readonly path: string;
  private readonly file: WholeFileWriter;
  private place = "";

  /**
   * @param durable whether a line is flushed to disk before `append` returns
   * @param notesPlaces whether `append` finds out where the line is
   */
  constructor(
    private readonly guard: DataGuard,
    private readonly calendar: Calendar,
    shared: Shared,
    private readonly durable: boolean,
    private readonly notesPlaces = false,
  ) {
    this.lock = new SharedLock(shared.integers, Integer.eventLogLock);
    this.integers = shared.integers;
    this.directory = guard.directory;
    this.path = guard.directory.eventLog;
    this.file = new WholeFileWriter(guard, durable, Part.logs);
  }

  /**
   * Appends a record with the current time.
   *
   * @param text on one line, see `oneLine` in `names.ts`
   * @returns where it ends, see `log-place.ts`; empty if places are not noted
   * @throws {Error} and leaves the log unchanged; also {DataDirectoryGone}
   */
  append(text: string): string {
    return this.lock.hold(() => {
      const micros = this.calendar.now();
      const time = this.calendar.local(micros);
      const line = Buffer.from(
        `${time.date} ${time.hour}:${time.minute}:${time.second},${threeDigits(micros)} ~ ${text}\n`,
      );
      // After a failure, look up the day in the current files.
      const known = this.integers[Integer.eventLogDay]!;
      this.integers[Integer.eventLogDay] = 0;
      let day = known || (this.takeOver(micros) ?? time.day);
      // If the clock was set back over midnight, or is wrong, continue with the same file. Not
      // after a clock that was years ahead: the log would not rotate until then.
      if (day > time.day && day > this.latestDay(micros)) day = time.day;
      if (time.day > day) this.turnOver(day, line);
      else this.appendLine(line);
      this.integers[Integer.eventLogDay] = Math.max(day, time.day);
      return this.place;
    });
  }

  /**
   * Whether the open log contains this text as a record of this day. @throws {Error} if it cannot
   * be read
   */
  contains(text: string, time: LocalTime): boolean {
    return existsSync(this.path) && hasRecord(this.path, time.date, text);
  }

  /** The latest possible day of a record. With a wrong clock, any day is possible. */
  private latestDay(micros: number): number {
    return this.calendar.local(micros).day < this.floor
      ? Number.POSITIVE_INFINITY
      : this.calendar.local(micros + AHEAD_MICROS_MAX).day;
  }

  private get floor(): number {
    return Atomics.load(this.integers, Integer.clockFloor);
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
      this.guard.check(Part.logs);
      appendWhole(fd, line);
      if (this.durable) fsync(fd);
      if (this.notesPlaces) this.place = endOfLog(fd);
    } finally {
      close(fd);
    }
  }

  /** Gives the log its dated name and begins a new one with this line. */
  private turnOver(day: number, line: Buffer): void {
    if (!existsSync(this.path)) return this.begin(line);
    if (!statSync(this.path).isFile()) throw new NotAFile(this.path);
    this.begin(line, this.directory.datedLog(day));
  }

  /**
   * Makes a new `imagehub.log` that contains this line from the beginning.
   *
   * @param dated the name for the previous log; undefined if there is none
   */
  private begin(line: Buffer, dated?: string): void {
    this.guard.makeFolder(Part.logs);
    if (this.durable) fsyncDirectory(this.directory.path);
    const temporary = this.writeTemporary(line);
    let isLinked = false;
    try {
      if (this.notesPlaces) this.place = endOf(temporary);
      // Only the rename is left. If there is no space, it has failed already.
      if (dated !== undefined) isLinked = this.keepAs(dated);
      renameSync(temporary, this.path);
    } finally {
      unlink(temporary);
    }
    if (this.durable) fsyncDirectory(this.directory.logs);
    // In the other cases, the kernel itself notifies programs that watch the folder.
    if (dated !== undefined && isLinked) announce(dated);
  }

  /** Writes a log with this line under a temporary name. @returns its path */
  private writeTemporary(line: Buffer): string {
    const { file } = this;
    const { logs } = this.directory;
    try {
      file.begin(logs);
      file.write(line);
      for (let tried = 0; ; tried++) {
        const path = temporaryIn(logs, `${process.pid}-${tried}`);
        removeLeftover(path);
        if (file.publish(path)) return path;
      }
    } catch (error) {
      file.abandon();
      throw error;
    }
  }

  /** Gives the log its dated name as a second name. @returns whether by a link */
  private keepAs(dated: string): boolean {
    try {
      link(this.path, dated);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (existsSync(dated)) appendLog(this.path, dated, this.durable);
      // The file system has no hard links. The log is missing for a moment, until the new one has
      // its name.
      else renameSync(this.path, dated);
      return false;
    }
  }

  /**
   * Takes over the log of an earlier run, and finishes a truncated line.
   *
   * @returns its day; undefined if there is no log
   */
  private takeOver(micros: number): number | undefined {
    this.guard.check(Part.logs);
    const latest = this.latestDay(micros);
    const newestDated = (): number | undefined =>
      datedLogs(this.directory.logs).findLast((day) => day <= latest);
    // With a wrong clock, new records go after all existing ones.
    if (!existsSync(this.path)) return Number.isFinite(latest) ? undefined : newestDated();
    // Its name may not be on the disk yet: the process that gave it may have failed or ended
    // before.
    if (this.durable) fsyncDirectory(this.directory.logs);
    const { mtimeMs } = statSync(this.path);
    mend(this.path);
    const days = daysAtEnds(this.path);
    const possible = days.filter((day) => day <= latest);
    const day =
      days.length > 0
        ? Math.max(...(possible.length > 0 ? possible : days))
        : this.calendar.local(mtimeMs * 1000).day;
    // All its records may have the time of a wrong clock.
    return day < this.floor ? Math.max(day, newestDated() ?? 0) : day;
  }
}

function endOf(path: string): string {
  const fd = openRead(path);
  try {
    return endOfLog(fd);
  } finally {
    close(fd);
  }
}

/**
 * Removes a leftover of a failed close, or of an earlier process with the same id. If that fails,
 * another name is free.
 */
function removeLeftover(path: string): void {
  try {
    unlink(path);
  } catch {
    // The next name is tried.
  }
}

/** Appends all bytes, or none if that fails. */
function appendWhole(fd: number, bytes: Uint8Array): void {
  // Usually a single write is enough; then the former size does not matter.
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
