/**
 * The free space that the setting `keep.min_free` asks for.
 *
 * @module
 */

import { bytesOfDisk } from "../config/quantity.ts";
import type { Settings } from "../config/schema.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { statfsSync } from "node:fs";

/** The space on the disk of the images. */
export interface Space {
  readonly freeBytes: number;
  readonly sizeBytes: number;
  /** Files that it has room for, and can hold; both 0 if there is no such limit. */
  readonly freeFiles: number;
  readonly sizeFiles: number;
}

/**
 * A run frees this much more than it has to, as a part of the disk and in bytes at most. The next
 * one is not due a second later.
 */
const SLACK_PART = 0.01;
const SLACK_BYTES_MAX = 1e9;

/** Looks at the disk. @throws {Error} of node:fs */
export function spaceOf({ images }: DataDirectory): Space {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(images);
  return {
    freeBytes: bavail * bsize,
    sizeBytes: blocks * bsize,
    freeFiles: ffree,
    sizeFiles: files,
  };
}

/** Whether the disk is short of space, or of room for files. */
export function isShort(minFree: Settings["keep"]["min_free"], space: Space): boolean {
  const wanted = bytesOfDisk(minFree, space.sizeBytes) ?? 0;
  if (space.freeBytes < wanted) return true;
  return wanted > 0 && space.freeFiles < (space.sizeFiles * wanted) / space.sizeBytes;
}

/**
 * The bytes that have to be freed.
 *
 * @param meanBytes of an image, because room for files is freed by deleting images
 */
export function missingBytes(
  minFree: Settings["keep"]["min_free"],
  space: Space,
  meanBytes: number,
): number {
  if (!isShort(minFree, space)) return 0;
  const { freeBytes, sizeBytes, freeFiles, sizeFiles } = space;
  const wanted = bytesOfDisk(minFree, sizeBytes) ?? 0;
  const slack = Math.min(sizeBytes * SLACK_PART, SLACK_BYTES_MAX);
  const files = ((wanted + slack) / sizeBytes) * sizeFiles - freeFiles;
  return Math.max(wanted + slack - freeBytes, files * meanBytes, 0);
}

/** Watches the free space. It waits for the disk, so it runs in the flusher. */
export class SpaceWatch {
  constructor(
    private readonly directory: DataDirectory,
    private readonly minFree: Settings["keep"]["min_free"],
  ) {}

  /** @returns whether the disk is short of space */
  look(): boolean {
    if (Number(this.minFree) === 0) return false;
    try {
      return isShort(this.minFree, spaceOf(this.directory));
    } catch {
      // The folder is gone, or the disk is; others say so.
      return false;
    }
  }
}
