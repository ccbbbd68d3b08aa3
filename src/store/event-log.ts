/**
 * The event log: `logs/imagehub.log`, one line an event, and one dated file a day behind it.
 *
 * A line is `2021-09-24 08:27:13,477 ~ BackDeck|Restart|rpi13|…`. The log turns over as Python's
 * `TimedRotatingFileHandler` with `when="midnight"` and `backupCount=995` does it: at the first
 * record of a new day `imagehub.log` becomes `imagehub.log.YYYY-MM-DD`, after the day its records
 * belong to. Readers are never shown an empty or a missing `imagehub.log`, and nothing of a dated
 * log that is already there is lost.
 *
 * A clock that is wrong changes no names: what comes while it is behind all that stands here goes
 * on in the log at hand, which keeps the day of its other records; and the log that was just given
 * its name is never one of the oldest, which are removed.
 *
 * The file is opened anew for each line: so it does not matter which thread turned it over, or
 * whether someone moved it away, a line never goes to a file that has no name any more, and the
 * disk can be unmounted, or made read-only, in between.
 *
 * @module
 */

import { existsSync, renameSync, statSync, unlinkSync } from "node:fs";
import { type Calendar, type LocalTime, threeDigits } from "../protocol/calendar.ts";
import { SystemError } from "../os/ffi.ts";
import {
  announce,
  close,
  fsync,
  fsyncDirectory,
  link,
  openAppend,
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
import { WholeFileWriter } from "./whole-file.ts";

/** Dated logs that are kept; the oldest beyond these go. */
const DATED_LOGS_MAX = 995;

/**
 * How far a log's last record may be ahead of the clock and still count: a clock that was corrected
 * over midnight.
 */
const AHEAD_MICROS_MAX = 2 * 86_400_000_000;

/**
 * Appends lines to the event log. Each thread has its own object; the lock and the log's day are
 * shared.
 */
export class EventLog {
  private readonly lock: SharedLock;
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly directory: DataDirectory;
  /** Of `imagehub.log`. */
  private readonly path: string;
  private readonly file: WholeFileWriter;

  /** @param durable whether a line is on the disk when `append` returns */
  constructor(
    private readonly guard: DataGuard,
    private readonly calendar: Calendar,
    shared: Shared,
    private readonly durable: boolean,
  ) {
    this.lock = new SharedLock(shared.integers, Integer.eventLogLock);
    this.integers = shared.integers;
    this.directory = guard.directory;
    this.path = guard.directory.eventLog;
    this.file = new WholeFileWriter(guard, durable, Part.logs);
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
      let day = known || (this.takeOver(micros) ?? time.day);
      // A clock that was set back over midnight, or is wrong, goes on in the same file. After one
      // that had been years ahead it must not: there would be no turning over until then.
      if (day > time.day && day > this.latestDay(micros)) day = time.day;
      if (time.day > day) this.turnOver(day, line);
      else this.appendLine(line);
      this.integers[Integer.eventLogDay] = Math.max(day, time.day);
    });
  }

  /**
   * Whether the log that is open now holds this text as a record of this day. @throws {Error} where
   * it cannot be read
   */
  contains(text: string, time: LocalTime): boolean {
    return existsSync(this.path) && hasRecord(this.path, time.date, text);
  }

  /** The latest day that a record can be of: with a wrong clock, any. */
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
    } finally {
      close(fd);
    }
  }

  /** Gives the log its dated name and begins a new one with this line. */
  private turnOver(day: number, line: Buffer): void {
    if (!existsSync(this.path)) return this.begin(line);
    if (!statSync(this.path).isFile()) throw new NotAFile(this.path);
    this.begin(line, this.directory.datedLog(day));
    this.removeOldest(day);
  }

  /**
   * Makes a new `imagehub.log` that holds this line from its first moment.
   *
   * @param dated the name that the log before it gets; undefined: there is none
   */
  private begin(line: Buffer, dated?: string): void {
    this.guard.makeFolder(Part.logs);
    if (this.durable) fsyncDirectory(this.directory.path);
    const temporary = this.writeTemporary(line);
    let isLinked = false;
    try {
      // Only the name of the new one is missing now: what there is no space for has failed.
      if (dated !== undefined) isLinked = this.keepAs(dated);
      renameSync(temporary, this.path);
    } finally {
      unlink(temporary);
    }
    if (this.durable) fsyncDirectory(this.directory.logs);
    // Whoever watches is told of the other ways by the kernel.
    if (dated !== undefined && isLinked) announce(dated);
  }

  /** Writes a log that holds this line, under a temporary name. @returns its path */
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

  /** Gives the log its dated name as a second one. @returns whether by a link */
  private keepAs(dated: string): boolean {
    try {
      link(this.path, dated);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (existsSync(dated)) appendLog(this.path, dated, this.durable);
      // A file system without hard links: the log is missing for the moment until the new one has
      // its name.
      else renameSync(this.path, dated);
      return false;
    }
  }

  /**
   * The record stands by now, so what cannot be removed only stays. @param made the day of the log
   * that was just made
   */
  private removeOldest(made: number): void {
    for (const day of datedLogs(this.directory.logs).slice(0, -DATED_LOGS_MAX)) {
      if (day === made) continue;
      try {
        unlinkSync(this.directory.datedLog(day));
      } catch {
        // Tried again when the log turns over the next time.
      }
    }
  }

  /**
   * Takes over a log that an earlier run left: finishes a line that was cut off.
   *
   * @returns the day that it belongs to; undefined where there is none
   */
  private takeOver(micros: number): number | undefined {
    this.guard.check(Part.logs);
    const latest = this.latestDay(micros);
    const newestDated = (): number | undefined =>
      datedLogs(this.directory.logs).findLast((day) => day <= latest);
    // With a wrong clock, what comes now belongs behind all that there is.
    if (!existsSync(this.path)) return Number.isFinite(latest) ? undefined : newestDated();
    // Its name may not be on the disk yet: whoever gave it may have failed, or ended, before that.
    if (this.durable) fsyncDirectory(this.directory.logs);
    const { mtimeMs } = statSync(this.path);
    mend(this.path);
    const days = daysAtEnds(this.path);
    const possible = days.filter((day) => day <= latest);
    const day =
      days.length > 0
        ? Math.max(...(possible.length > 0 ? possible : days))
        : this.calendar.local(mtimeMs * 1000).day;
    // All its records may be of a wrong clock.
    return day < this.floor ? Math.max(day, newestDated() ?? 0) : day;
  }
}

/**
 * Removes what a close that failed, or an earlier process of the same number, has left. Where that
 * cannot be done, another name is free.
 */
function removeLeftover(path: string): void {
  try {
    unlink(path);
  } catch {
    // The next name is tried.
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
