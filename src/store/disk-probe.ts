/**
 * Looks whether the disk takes an image, without one: how much space is free, and whether a small file can be written.
 *
 * It asks through the runtime's own threads and waits only for so long, so that a disk that stalls holds nobody up.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { constants } from "node:fs";
import { mkdir, open, rm, statfs } from "node:fs/promises";
import { O_TMPFILE } from "../libc.ts";
import { TEMPORARY_PREFIX } from "./whole-file.ts";

/** Bytes and files that must be free: room for a few images. */
export const FREE_BYTES_MIN = 4 * 1024 * 1024;
const FREE_FILES_MIN = 16;

/** How long what was found counts, in milliseconds, so that it does not matter how often it is asked for. */
const COUNTS_MS = 1000;
/** How long the disk may take to answer, in milliseconds. */
const ANSWER_MS_MAX = 2000;

/** What is written: one block. */
const BLOCK = Buffer.alloc(4096);

const UNNAMED_UNSUPPORTED = new Set(["EOPNOTSUPP", "ENOTSUP", "EISDIR", "EINVAL", "ENOSYS"]);

/** What was found. */
export interface DiskState {
  /** Bytes that the hub's user may still write, and of the file system as a whole; 0 where that is not known. */
  readonly freeBytes: number;
  readonly sizeBytes: number;
  /** Why no image can be stored, where that is so. */
  readonly problem: string | undefined;
}

/** Looks at the file system of one directory. */
export class DiskProbe {
  private looking: Promise<DiskState> | undefined;
  private found: DiskState = { freeBytes: 0, sizeBytes: 0, problem: undefined };
  private foundMs = Number.NEGATIVE_INFINITY;

  /** @param directory `<data_directory>/images` */
  constructor(private readonly directory: string) {}

  /** What was found now, or a moment ago. It never rejects. */
  async look(): Promise<DiskState> {
    if (performance.now() - this.foundMs < COUNTS_MS) return this.found;
    // One at a time, also where the one before still waits.
    this.looking ??= this.lookNow().finally(() => (this.looking = undefined));
    const late = Promise.withResolvers<DiskState>();
    const problem = `The disk of ${this.directory} does not answer`;
    const timer = setTimeout(() => late.resolve({ ...this.found, problem }), ANSWER_MS_MAX);
    try {
      return await Promise.race([this.looking, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async lookNow(): Promise<DiskState> {
    const { directory } = this;
    let space = { freeBytes: 0, sizeBytes: 0 };
    let problem: string | undefined;
    try {
      // As the writers do it, where someone removed the directory.
      await mkdir(directory, { recursive: true });
      const { bsize, blocks, bavail, files, ffree } = await statfs(directory);
      space = { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
      if (space.freeBytes < FREE_BYTES_MIN) {
        problem = `The disk is full: ${space.freeBytes} bytes are free for ${directory}, fewer than ${FREE_BYTES_MIN}`;
      } else if (files > 0 && ffree < FREE_FILES_MIN) {
        // Where there is no fixed number of files (btrfs), `files` is 0.
        problem = `The disk is full: it has room for ${ffree} more files in ${directory}, fewer than ${FREE_FILES_MIN}`;
      } else {
        await this.writeBlock();
      }
    } catch (error) {
      problem = `Cannot write in ${directory}: ${messageOf(error)}`;
    }
    this.found = { ...space, problem };
    this.foundMs = performance.now();
    return this.found;
  }

  /** Writes a file that has no name, and so is gone when it is closed; where there are none such, a hidden one. */
  private async writeBlock(): Promise<void> {
    try {
      await writeTo(this.directory, O_TMPFILE | constants.O_WRONLY);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (!UNNAMED_UNSUPPORTED.has(code)) throw error;
      const path = `${this.directory}/${TEMPORARY_PREFIX}probe`;
      try {
        await writeTo(path, constants.O_WRONLY | constants.O_CREAT);
      } finally {
        // Why it could not be written is what counts.
        await rm(path, { force: true }).catch(() => undefined);
      }
    }
  }
}

async function writeTo(path: string, flags: number): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    await file.write(BLOCK);
  } finally {
    await file.close();
  }
}
