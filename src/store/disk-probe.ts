/**
 * Checks whether the disk can store an image, without storing one: how much space is free, and
 * whether a small file can be written and renamed, as storing does it.
 *
 * It uses the runtime's own threads and waits only for a limited time, so a disk that stalls blocks
 * nobody.
 *
 * @module
 */

import { link, lstat, open, rename, rm, statfs } from "node:fs/promises";
import { messageOf } from "../errors.ts";
import { temporaryIn } from "./data-directory.ts";
import { type DataGuard, DataState } from "./data-guard.ts";
import { fileSystemOf } from "./file-system.ts";
import { UNSUPPORTED } from "./naming.ts";

/** Bytes and files that must be free: enough for a few images. */
export const FREE_BYTES_MIN = 4 * 1024 * 1024;
const FREE_FILES_MIN = 16;

/** How long a result is valid, in milliseconds, so frequent questions cost nothing. */
const COUNTS_MS = 1000;
/** How long the disk may take to answer, in milliseconds. */
const ANSWER_MS_MAX = 2000;

/** The content of the test file: one block. */
const BLOCK = Buffer.alloc(4096);

/** The result of a check. */
export interface DiskState {
  /** Bytes that the hub's user may still write, and the size of the file system; 0 if unknown. */
  readonly freeBytes: number;
  readonly sizeBytes: number;
  /** Why no image can be stored, if so. */
  readonly problem: string | undefined;
}

/** Checks the file system of one directory. */
export class DiskProbe {
  private looking: Promise<DiskState> | undefined;
  private found: DiskState = { freeBytes: 0, sizeBytes: 0, problem: undefined };
  private foundMs = Number.NEGATIVE_INFINITY;

  /** The directory of the images. */
  private readonly images: string;

  constructor(private readonly guard: DataGuard) {
    this.images = guard.directory.images;
  }

  /** The current result, or one from a moment ago. Never rejects. */
  async look(): Promise<DiskState> {
    if (performance.now() - this.foundMs < COUNTS_MS) return this.found;
    // One check at a time, even if the previous one still waits.
    this.looking ??= this.lookNow().finally(() => (this.looking = undefined));
    const late = Promise.withResolvers<DiskState>();
    const problem = `The disk of ${this.images} does not respond`;
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
        // If someone has removed the folder, the next writer makes it again.
        if (!(await isThere(folder))) folder = data;
        const { bsize, blocks, bavail, files, ffree } = await statfs(folder);
        space = { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
        if (space.freeBytes < FREE_BYTES_MIN) {
          problem = `The disk is full: ${space.freeBytes} bytes are free for ${folder}, fewer than ${FREE_BYTES_MIN}`;
        } else if (files > 0 && ffree < FREE_FILES_MIN) {
          // On file systems without a fixed number of files (btrfs), `files` is 0.
          problem = `The disk is full: it has room for ${ffree} more files in ${folder}, fewer than ${FREE_FILES_MIN}`;
        } else {
          await tryToStore(data, folder);
        }
      }
    } catch (error) {
      const on = fileSystemOf(folder);
      problem = `Cannot write to ${folder}: ${messageOf(error)}${on === undefined ? "" : ` on ${on}`}`;
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
 * Writes a hidden file of one block, gives it a hidden name in the folder, and removes it. It is
 * begun in the data directory, like images, so programs that watch the folder do not see a written
 * file.
 */
async function tryToStore(data: string, folder: string): Promise<void> {
  try {
    await writeAndName(data, folder);
  } catch (error) {
    // The folder is on its own disk.
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await writeAndName(folder, folder);
  }
}

async function writeAndName(place: string, folder: string): Promise<void> {
  const [from, to] = [temporaryIn(place, "probe"), temporaryIn(folder, "probe-named")];
  // Removes files of ended processes too. If there are none, this shows nothing.
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
    // The reason why it could not be written matters more.
    await clear();
  }
}
