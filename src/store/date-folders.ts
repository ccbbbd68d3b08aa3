/**
 * Counts the images in each date folder, and limits them (`max_images_write`).
 *
 * The count is read from the folder when its day first occurs, so it survives a restart. All
 * writers share it.
 *
 * @module
 */

import { existsSync, readdirSync } from "node:fs";
import type { LocalTime } from "../protocol/calendar.ts";
import { fsyncDirectory } from "../os/files.ts";
import { SharedLock } from "../shared/lock.ts";
import { DATE_FOLDERS_INTS, Integer, type Shared } from "../shared/memory.ts";
import { dateOf, isImageFile } from "./data-directory.ts";
import type { DataGuard } from "./data-guard.ts";

/**
 * A record of a day: its number YYYYMMDD (0: none), its images, and whether it was reported as
 * full. There are four: around midnight two days are in use, and if the clock is set back and
 * forth, a day finds its record again.
 */
const RECORD = 3;
const DAY = 0;
const IMAGES = 1;
const SAID_FULL = 2;

/**
 * Whether an image may be stored. `firstOver` is the first `over` in this folder since the start.
 */
export type Permit = "granted" | "over" | "firstOver";

/**
 * The number of images in a day's folder, as the writers know it. @returns undefined if none was
 * stored in it yet
 */
export function imagesOfDay({ integers }: Shared, day: number): number | undefined {
  const records = recordsIn(integers);
  for (let record = 0; record < records.length; record += RECORD) {
    if (records[record + DAY] === day) return records[record + IMAGES];
  }
  return undefined;
}

/** The images in each folder that the writers know, by date. */
export function imagesByDate({ integers }: Shared): Map<string, number> {
  const records = recordsIn(integers);
  const images = new Map<string, number>();
  for (let record = 0; record < records.length; record += RECORD) {
    const day = records[record + DAY]!;
    if (day !== 0) images.set(dateOf(day), records[record + IMAGES]!);
  }
  return images;
}

function recordsIn(integers: Int32Array<SharedArrayBuffer>): Int32Array<SharedArrayBuffer> {
  return integers.subarray(Integer.dateFolders, Integer.dateFolders + DATE_FOLDERS_INTS);
}

/** The date folders of one hub. Each thread has its own object over the same shared memory. */
export class DateFolders {
  private readonly records: Int32Array<SharedArrayBuffer>;
  private readonly lock: SharedLock;
  /** The folder that was used last. */
  private lastDate = "";
  private lastPath = "";

  /**
   * @param imagesMax maximum images in a folder
   * @param durable whether a folder's name is flushed to disk before an image is stored in it
   */
  constructor(
    private readonly guard: DataGuard,
    private readonly imagesMax: number,
    shared: Shared,
    private readonly durable = false,
  ) {
    this.records = recordsIn(shared.integers);
    this.lock = new SharedLock(shared.integers, Integer.dateFoldersLock);
  }

  /** The folder of a day. */
  path(time: LocalTime): string {
    if (time.date !== this.lastDate) {
      this.lastDate = time.date;
      this.lastPath = this.guard.directory.dateFolder(time.date);
    }
    return this.lastPath;
  }

  /**
   * Takes a place for one image in the folder of its day. Makes the folder if it is missing.
   *
   * @throws {Error} of node:fs, if the folder cannot be read or made, and {DataDirectoryGone}
   */
  reserve(time: LocalTime): Permit {
    this.lock.acquire();
    try {
      const { records } = this;
      let record = this.find(time.day) ?? this.open(time);
      // Nobody writes to a full folder any more. So check here whether it was removed to make room.
      if (records[record + IMAGES]! >= this.imagesMax && this.drop(time)) record = this.open(time);
      if (records[record + IMAGES]! < this.imagesMax) {
        records[record + IMAGES]!++;
        return "granted";
      }
      const said = records[record + SAID_FULL]!;
      records[record + SAID_FULL] = 1;
      return said === 0 ? "firstOver" : "over";
    } finally {
      this.lock.release();
    }
  }

  /** Gives back an unused place. */
  release(time: LocalTime): void {
    this.lock.hold(() => {
      const record = this.find(time.day);
      if (record !== undefined) this.records[record + IMAGES]!--;
    });
  }

  /**
   * Forgets that a folder was reported as full: the next image over the cap is `firstOver` again.
   */
  notSaidFull(time: LocalTime): void {
    this.lock.hold(() => {
      const record = this.find(time.day);
      if (record !== undefined) this.records[record + SAID_FULL] = 0;
    });
  }

  /**
   * Forgets what is known of a day because its folder is gone, including all places taken in it. If
   * the folder exists, another writer has made it again, and its new count stays.
   */
  forget(time: LocalTime): void {
    this.lock.hold(() => this.drop(time));
  }

  /** @returns whether the folder was gone */
  private drop(time: LocalTime): boolean {
    if (existsSync(this.path(time))) return false;
    const record = this.find(time.day);
    if (record !== undefined) this.records[record + DAY] = 0;
    return true;
  }

  private find(day: number): number | undefined {
    for (let record = 0; record < this.records.length; record += RECORD) {
      if (this.records[record + DAY] === day) return record;
    }
    return undefined;
  }

  /** Reads a day's folder. Replaces the record of the earliest day. */
  private open(time: LocalTime): number {
    const { guard, records } = this;
    guard.makeDateFolder(time.date);
    // Also if the folder existed: its maker may have failed or ended before its name was on the
    // disk.
    if (this.durable) {
      fsyncDirectory(guard.directory.images);
      fsyncDirectory(guard.directory.path);
    }
    const images = readdirSync(this.path(time)).filter(isImageFile).length;
    let earliest = 0;
    for (let record = RECORD; record < records.length; record += RECORD) {
      if (records[record + DAY]! < records[earliest + DAY]!) earliest = record;
    }
    records[earliest + DAY] = time.day;
    records[earliest + IMAGES] = images;
    records[earliest + SAID_FULL] = 0;
    return earliest;
  }
}
