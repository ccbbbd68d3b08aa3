/**
 * The free space that the setting `keep.min_free` asks for.
 *
 * @module
 */

import { type StatsFs, statfsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { bytesOfDisk } from "../config/quantity.ts";
import type { Settings } from "../config/schema.ts";
import type { Entry } from "../os/folder.ts";
import type { DataDirectory } from "../store/data-directory.ts";

/** The space on the disk of the images. */
export interface Space {
  readonly freeBytes: number;
  readonly sizeBytes: number;
  /** Files that it has room for, and can hold; both 0 if there is no such limit. */
  readonly freeFiles: number;
  readonly sizeFiles: number;
}

/** Bytes, and files. */
export interface Room {
  readonly bytes: number;
  readonly files: number;
}

/** No room at all. */
export const NO_ROOM: Room = { bytes: 0, files: 0 };

/** The room that a file takes. */
export function roomOf({ allocated }: Entry): Room {
  return { bytes: allocated, files: 1 };
}

/** The room of two together. */
export function together(one: Room, other: Room): Room {
  return { bytes: one.bytes + other.bytes, files: one.files + other.files };
}

/** The disk with more room, or with less if the room is negative. */
export function withRoom(space: Space, { bytes, files }: Room): Space {
  return {
    ...space,
    freeBytes: space.freeBytes + bytes,
    freeFiles: space.freeFiles + files,
  };
}

/**
 * A run frees more than it has to, so that the next one is not due a second later: a part of the
 * disk, up to some bytes.
 */
const SLACK_PART = 0.02;
const SLACK_BYTES_MAX = 1e9;

/** Looks at the disk. @throws {Error} of node:fs */
export function spaceOf({ images }: DataDirectory): Space {
  return spaceIn(statfsSync(images));
}

/** The same, without waiting for a disk that does not respond. */
export async function spaceSoon({ images }: DataDirectory): Promise<Space> {
  return spaceIn(await statfs(images));
}

function spaceIn({ bsize, blocks, bavail, files, ffree }: StatsFs): Space {
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

/** What has to be free after a deletion. */
export function wantedRoom(minFree: Settings["keep"]["min_free"], space: Space): Room {
  const { sizeBytes, sizeFiles } = space;
  const wanted = bytesOfDisk(minFree, sizeBytes) ?? 0;
  const bytes = wanted + Math.min(sizeBytes * SLACK_PART, SLACK_BYTES_MAX);
  return { bytes, files: (bytes / sizeBytes) * sizeFiles };
}

/** Whether so much is free. */
export function isThere({ bytes, files }: Room, { freeBytes, freeFiles }: Space): boolean {
  return freeBytes >= bytes && freeFiles >= files;
}

/**
 * The bytes that have to be freed, as far as that can be known before.
 *
 * @param meanBytes of an image, because room for files is freed by deleting images
 */
export function missingBytes(
  minFree: Settings["keep"]["min_free"],
  space: Space,
  meanBytes: number,
): number {
  if (!isShort(minFree, space)) return 0;
  const { bytes, files } = wantedRoom(minFree, space);
  return Math.max(bytes - space.freeBytes, (files - space.freeFiles) * meanBytes, 0);
}
