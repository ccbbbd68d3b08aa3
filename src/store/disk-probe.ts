/**
 * Looks whether the disk takes an image, without one: how much space is free, and whether a small
 * file can be written and given another name, as storing does it.
 *
 * It asks through the runtime's own threads and waits only for so long, so that a disk that stalls
 * holds nobody up.
 *
 * @module
 */

import { link, lstat, open, rename, rm, statfs } from "node:fs/promises";
import { messageOf } from "../errors.ts";
import { temporaryIn } from "./data-directory.ts";
import { type DataGuard, DataState } from "./data-guard.ts";
import { fileSystemOf } from "./file-system.ts";
import { UNSUPPORTED } from "./naming.ts";

/** Bytes and files that must be free: room for a few images. */
export const FREE_BYTES_MIN = 4 * 1024 * 1024;
const FREE_FILES_MIN = 16;

/**
 * How long what was found counts, in milliseconds, so that it does not matter how often it is asked
 * for.
 */
const COUNTS_MS = 1000;
/** How long the disk may take to answer, in milliseconds. */
const ANSWER_MS_MAX = 2000;

/** What is written: one block. */
const BLOCK = Buffer.alloc(4096);

/** What was found. */
export interface DiskState {
  /**
   * Bytes that the hub's user may still write, and of the file system as a whole; 0 where that is
   * not known.
   */
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

  /** Where images go. */
  private readonly images: string;

  constructor(private readonly guard: DataGuard) {
    this.images = guard.directory.images;
  }

  /** What was found now, or a moment ago. It never rejects. */
  async look(): Promise<DiskState> {
    if (performance.now() - this.foundMs < COUNTS_MS) return this.found;
    // One at a time, also where the one before still waits.
    this.looking ??= this.lookNow().finally(() => (this.looking = undefined));
    const late = Promise.withResolvers<DiskState>();
    const problem = `The disk of ${this.images} does not answer`;
    const timer = setTimeout(() => late.resolve({ ...this.found, problem }), ANSWER_MS_MAX);
    try {
      return await Promise.race([this.looking, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async lookNow(): Promise<DiskState> {
    const { guard } = this;
    const data = guard.directory.path;
    let folder = this.images;
    let space = { freeBytes: 0, sizeBytes: 0 };
    let problem: string | undefined;
    try {
      const { state, reason } = await guard.lookSoon();
      if (state !== DataState.right) {
        problem = guard.describe(state, reason);
      } else {
        // Where someone has removed the folder, who writes next makes it again.
        if (!(await isThere(folder))) folder = data;
        const { bsize, blocks, bavail, files, ffree } = await statfs(folder);
        space = { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
        if (space.freeBytes < FREE_BYTES_MIN) {
          problem = `The disk is full: ${space.freeBytes} bytes are free for ${folder}, fewer than ${FREE_BYTES_MIN}`;
        } else if (files > 0 && ffree < FREE_FILES_MIN) {
          // Where there is no fixed number of files (btrfs), `files` is 0.
          problem = `The disk is full: it has room for ${ffree} more files in ${folder}, fewer than ${FREE_FILES_MIN}`;
        } else {
          await tryToStore(data, folder);
        }
      }
    } catch (error) {
      const on = fileSystemOf(folder);
      problem = `Cannot write in ${folder}: ${messageOf(error)}${on === undefined ? "" : ` on ${on}`}`;
    }
    this.found = { ...space, problem };
    this.foundMs = performance.now();
    return this.found;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return false;
  }
}

/**
 * Writes a hidden file of one block, gives it a hidden name in the folder, and removes it: begun in
 * the data directory, as images are, so that who watches the folder is not told of a file that was
 * written.
 */
async function tryToStore(data: string, folder: string): Promise<void> {
  try {
    await writeAndName(data, folder);
  } catch (error) {
    // The folder is on a disk of its own.
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await writeAndName(folder, folder);
  }
}

async function writeAndName(place: string, folder: string): Promise<void> {
  const [from, to] = [temporaryIn(place, "probe"), temporaryIn(folder, "probe-named")];
  // Those of a process that has ended, too; where there are none, this tells nothing.
  const clear = async (): Promise<void> => {
    for (const path of [from, to]) await rm(path, { force: true }).catch(() => undefined);
  };
  await clear();
  try {
    const file = await open(from, "wx", 0o600);
    try {
      await file.write(BLOCK);
    } finally {
      await file.close();
    }
    try {
      await link(from, to);
    } catch (error) {
      if (!UNSUPPORTED.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
      await rename(from, to);
    }
  } finally {
    // Why it could not be written is what counts.
    await clear();
  }
}
