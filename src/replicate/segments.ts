/**
 * Puts the event log of the open day into the bucket, in segments of whole lines. Each begins where
 * the one before it ends, so a list of them says how far it is.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { close, openRead } from "../os/files.ts";
import { unlessMissing } from "../os/missing.ts";
import { type Bucket, type ObjectFacts, sha256Of } from "../s3/bucket.ts";
import { dayOf, Part } from "../store/data-directory.ts";
import { readRecord } from "../store/log-files.ts";
import { logIdOf, type LogPlace } from "../store/log-place.ts";
import type { Keys } from "./layout.ts";
import type { Link, LinkCall } from "./link.ts";
import { endInBucket, segmentsOf } from "./log-end.ts";
import { md5Of, putOnce } from "./object.ts";
import { readRange, type ReadParts } from "./read.ts";

/** Most bytes of a segment. */
const SEGMENT_BYTES = 4 * 2 ** 20;

/** How much of a log is read to see its day, in bytes: more than the time of a record has. */
const HEAD_BYTES = 64;

const NEWLINE = 0x0a;

export const LOG_TYPE = "text/plain; charset=utf-8";

/** What is needed to put segments. */
export interface SegmentParts extends ReadParts {
  readonly bucket: Bucket;
  readonly link: Pick<Link, "call" | "with">;
  readonly keys: Keys;
  /** How segments are put. */
  readonly put?: LinkCall | undefined;
  /** Is told the key of a segment that the log here has other lines for. */
  readonly onDifference: (key: string) => void;
}

/** How far a log is in the bucket. */
interface Progress {
  /** The file, see {@link logIdOf}. */
  readonly id: string;
  readonly date: string;
  at: number;
  /** What comes in the bucket before this log; see `log-end.ts`. */
  readonly shift: number;
  /** Whether the bucket has other lines in this place, so that no more are put. */
  isStuck: boolean;
}

/** The event log of the open day. */
export class Segments {
  private progress: Progress | undefined;
  /** The log that was the open one before. */
  private former: Progress | undefined;
  /** Of one call after the other. */
  private turn = Promise.resolve();

  constructor(private readonly parts: SegmentParts) {}

  /** The day of the open log; undefined if it has no records. @throws as {@link put} */
  openDay(): string | undefined {
    return this.withLog((fd) => dateOf(fd));
  }

  /** Whether a record is in the bucket, or `never` gets there while its day is open. */
  stateOf({ id, end }: LogPlace): "there" | "waiting" | "never" {
    const log = [this.progress, this.former].find((progress) => progress?.id === id);
    if (log === undefined) return "waiting";
    if (log.isStuck) return "never";
    return log.at >= end ? "there" : "waiting";
  }

  /**
   * Puts what is new.
   *
   * @throws {DataDirectoryGone}, {SystemError} and {Error} of node:fs if the log cannot be read
   * @throws {StoreError} as {@link Link.call}
   */
  async put(): Promise<void> {
    await this.inTurn(async () => await this.putNew());
  }

  /**
   * Puts what of a day that is over is not in the bucket, if its log cannot be put as a whole.
   *
   * @throws as {@link put}
   */
  async putOver(date: string): Promise<void> {
    const path = this.parts.directory.datedLog(dayOf(date) ?? 0);
    await this.inTurn(async () => {
      const progress = await this.progressOf(path);
      if (progress?.date === date) await this.putRest(progress, path);
    });
  }

  private async inTurn(action: () => Promise<void>): Promise<void> {
    const before = this.turn;
    this.turn = (async () => {
      await Promise.allSettled([before]);
      await action();
    })();
    await this.turn;
  }

  /** Finds out anew how far the log is in the bucket. */
  forget(): void {
    this.progress = undefined;
    this.former = undefined;
  }

  private async putNew(): Promise<void> {
    const { progress } = this;
    try {
      // What came to it just before midnight.
      if (progress !== undefined && this.withLog((_, id) => id) !== progress.id)
        await this.putRest(progress, this.datedLog(progress));
    } finally {
      await this.find();
    }
    if (this.progress !== undefined) await this.putRest(this.progress);
  }

  /** @param path of the log, if it is still that one */
  private async putRest(progress: Progress, path?: string): Promise<void> {
    while (!progress.isStuck) {
      const body = this.withLog((fd, id, size) => {
        if (id !== progress.id) return undefined;
        // Somebody has cut it.
        if (size < progress.at) this.stick(progress, this.parts.keys.segmentsOf(progress.date));
        return wholeLines(fd, progress.at, size);
      }, path);
      if (body === undefined || body.length === 0) return;
      await this.putSegment(progress, body);
    }
  }

  private datedLog({ date }: Progress): string {
    return this.parts.directory.datedLog(dayOf(date) ?? 0);
  }

  private stick(progress: Progress, key: string): void {
    progress.isStuck = true;
    this.parts.onDifference(key);
  }

  private async putSegment(progress: Progress, body: Buffer<ArrayBuffer>): Promise<void> {
    const { bucket, link, keys, put } = this.parts;
    const { date, at, shift } = progress;
    const key = keys.segment(date, at + shift);
    const object = { body, contentType: LOG_TYPE, sha256: sha256Of(body) };
    const there = await putOnce({ bucket, link: put ? link.with(put) : link }, key, object);
    // An earlier try, whose answer did not come, had fewer lines.
    if (there === "same") progress.at += body.length;
    else if (isBeginning(body, there)) progress.at += there.size;
    else this.stick(progress, key);
  }

  /** Finds out how far the log is in the bucket, if it is another one than before. */
  private async find(): Promise<void> {
    const found = this.withLog((fd, id) => ({ id, date: dateOf(fd) }));
    const { progress } = this;
    if (found?.date === undefined) return;
    if (progress?.id === found.id && progress.date === found.date) return;
    const next = await this.progressOf(this.parts.directory.eventLog);
    if (next === undefined) return;
    this.former = this.progress;
    this.progress = next;
  }

  /** Finds out how far a log is in the bucket. @returns undefined if it has no records */
  private async progressOf(path: string): Promise<Progress | undefined> {
    const log = this.openLog(path);
    if (log === undefined) return undefined;
    try {
      const date = dateOf(log.fd);
      if (date === undefined) return undefined;
      const end = await endInBucket(this.parts, log.fd, await segmentsOf(this.parts, date));
      return { id: log.id, date, ...end, isStuck: false };
    } finally {
      close(log.fd);
    }
  }

  private withLog<T>(
    use: (fd: number, id: string, size: number) => T,
    path = this.parts.directory.eventLog,
  ): T | undefined {
    const log = this.openLog(path);
    if (log === undefined) return undefined;
    try {
      return use(log.fd, log.id, log.size);
    } finally {
      close(log.fd);
    }
  }

  /** @returns undefined if there is none */
  private openLog(
    path: string,
  ): { readonly fd: number; readonly id: string; readonly size: number } | undefined {
    const { guard } = this.parts;
    const fd = unlessMissing(() => openRead(path));
    if (fd === undefined) return undefined;
    try {
      guard.check(Part.logs);
      const stats = fstatSync(fd, { bigint: true });
      return { fd, id: logIdOf(stats), size: Number(stats.size) };
    } catch (error) {
      close(fd);
      throw error;
    }
  }
}

/** The day of the first record: a log has those of one day, if no clock was set. */
function dateOf(fd: number): string | undefined {
  const { size } = fstatSync(fd);
  const [line = ""] = readRange(fd, 0, Math.min(size, HEAD_BYTES)).toString().split("\n");
  return readRecord(line)?.date;
}

/** Whole lines from a place on. */
function wholeLines(fd: number, at: number, size: number): Buffer<ArrayBuffer> {
  const bytes = readRange(fd, at, Math.max(0, Math.min(SEGMENT_BYTES, size - at)));
  return bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1);
}

/** Whether an object is the beginning of these bytes. */
function isBeginning(bytes: Buffer, { size, etag, sha256 }: ObjectFacts): boolean {
  if (size === 0 || size >= bytes.length) return false;
  const part = bytes.subarray(0, size);
  return sha256 === undefined ? md5Of(part) === etag : sha256Of(part) === sha256;
}
