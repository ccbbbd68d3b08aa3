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
import { type DataDirectory, DataState, describeState } from "./data-directory.ts";
import { fileSystemOf } from "./file-system.ts";
import { UNSUPPORTED } from "./naming.ts";
import { TEMPORARY_PREFIX } from "./whole-file.ts";

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

  private readonly directory: string;

  /** @param data whose images are looked after */
  constructor(private readonly data: DataDirectory) {
    this.directory = `${data.path}/images`;
  }

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
    const { data } = this;
    let { directory } = this;
    let space = { freeBytes: 0, sizeBytes: 0 };
    let problem: string | undefined;
    try {
      const { state, reason } = await data.lookSoon();
      if (state !== DataState.right) {
        problem = describeState(data.path, state, reason);
      } else {
        // Where someone has removed the folder, who writes next makes it again.
        if (!(await isThere(directory))) directory = data.path;
        const { bsize, blocks, bavail, files, ffree } = await statfs(directory);
        space = { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
        if (space.freeBytes < FREE_BYTES_MIN) {
          problem = `The disk is full: ${space.freeBytes} bytes are free for ${directory}, fewer than ${FREE_BYTES_MIN}`;
        } else if (files > 0 && ffree < FREE_FILES_MIN) {
          // Where there is no fixed number of files (btrfs), `files` is 0.
          problem = `The disk is full: it has room for ${ffree} more files in ${directory}, fewer than ${FREE_FILES_MIN}`;
        } else {
          await tryToStore(data.path, directory);
        }
      }
    } catch (error) {
      const on = fileSystemOf(directory);
      problem = `Cannot write in ${directory}: ${messageOf(error)}${on === undefined ? "" : ` on ${on}`}`;
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
  const [from, to] = [
    `${place}/${TEMPORARY_PREFIX}probe`,
    `${folder}/${TEMPORARY_PREFIX}probe-named`,
  ];
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
