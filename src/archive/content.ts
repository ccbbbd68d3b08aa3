/**
 * The content of files: read in pieces, summed up, and copied so that the copy is known to be on
 * the disk.
 *
 * @module
 */

import { fstatSync, futimesSync, readSync } from "node:fs";
import { messageOf } from "../errors.ts";
import { close, dropFromMemory, fsync, writeBytes } from "../os/files.ts";
import type { Folder } from "../os/folder.ts";

/** Bytes per read. */
const PIECE_BYTES = 256 * 1024;

/** A file, or what of a file is one member of a tar. */
export interface Content {
  readonly fd: number;
  /** Where it begins and how long it is, in bytes. */
  readonly at: number;
  readonly size: number;
}

/** The content of an open file as it is now. @throws {Error} of node:fs */
export function contentOf(fd: number): Content {
  return { fd, at: 0, size: fstatSync(fd).size };
}

/** A file could not be read, or is not what it was when it was looked at. */
export class ReadError extends Error {
  override readonly name = "ReadError";
}

/** A day in the archive is not what it must be. The message says what to do. */
export class DamagedDay extends Error {
  override readonly name = "DamagedDay";
}

/** A file was written, and reads differently. */
export class WrongCopy extends Error {
  override readonly name = "WrongCopy";
}

/**
 * Reads a content in pieces.
 *
 * @param buffer for each piece, which changes with the next one; undefined: each has its own
 * @throws {ReadError}
 */
export function* piecesOf({ fd, at, size }: Content, buffer?: Buffer): Generator<Buffer> {
  for (let done = 0; done < size;) {
    const length = Math.min(PIECE_BYTES, size - done);
    const bytes = buffer ?? Buffer.allocUnsafeSlow(length);
    let count: number;
    try {
      count = readSync(fd, bytes, 0, length, at + done);
    } catch (error) {
      throw new ReadError(messageOf(error), { cause: error });
    }
    if (count === 0) throw new ReadError("it is shorter than it was");
    yield bytes.subarray(0, count);
    done += count;
  }
}

let shared: Buffer | undefined;

/**
 * SHA-256 as sha256sum prints it.
 *
 * @param take sees the pieces too; they change with the next one
 * @throws {ReadError}
 */
export function sumOf(content: Content, take?: (piece: Buffer) => void): string {
  return digestOf("sha256", content, take);
}

/** MD5 as md5sum prints it. @throws {ReadError} */
export function md5Of(content: Content): string {
  return digestOf("md5", content);
}

/** Hands over the content of an open file, and closes it. */
export function readOnce<T>(fd: number, use: (content: Content) => T): T {
  try {
    return use(contentOf(fd));
  } finally {
    close(fd);
  }
}

/** What two contents are compared by. */
export interface Sums {
  /** In bytes. */
  readonly size: number;
  readonly sha256: string;
  readonly md5: string;
}

/** Both sums at once. @param take as with {@link sumOf} @throws {ReadError} */
export function sumsOf(content: Content, take?: (piece: Buffer) => void): Sums {
  const md5 = new Bun.CryptoHasher("md5");
  const sha256 = sumOf(content, (piece) => {
    md5.update(piece);
    take?.(piece);
  });
  return { size: content.size, sha256, md5: md5.digest("hex") };
}

function digestOf(
  algorithm: "sha256" | "md5",
  content: Content,
  take?: (piece: Buffer) => void,
): string {
  const hasher = new Bun.CryptoHasher(algorithm);
  shared ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
  for (const piece of piecesOf(content, shared)) {
    hasher.update(piece);
    take?.(piece);
  }
  return hasher.digest("hex");
}

/** The sum of what is on the disk, whatever is in memory. @throws {ReadError} */
export function sumOnDisk(content: Content): string {
  dropFromMemory(content.fd);
  return sumOf(content);
}

/** A copy to make. */
export interface Copy {
  readonly content: Content;
  /** In seconds since 1970. The copy gets the same. */
  readonly modifiedS: number;
  /** Where it is written, and under which name until it is whole. */
  readonly place: Folder;
  readonly unfinished: string;
  /** Where it belongs, and its name there. */
  readonly folder: Folder;
  readonly name: string;
  /** What its sum must be, if that is known. */
  readonly sum?: string | undefined;
  /** Whether it replaces a file of its name: one that is known to be damaged. */
  readonly replaces?: boolean | undefined;
}

/**
 * Copies a file, flushes it, reads it back from the disk, and only then gives it its name.
 *
 * @returns its sum; undefined if the name is taken by a file that it does not replace
 * @throws {ReadError} if the content cannot be read, or is not the one with this sum
 * @throws {WrongCopy}
 * @throws {SystemError} if it cannot be written
 */
export function copyFile(copy: Copy): string | undefined {
  const { place, unfinished } = copy;
  try {
    return copyUnnamed(copy);
  } catch (error) {
    removeQuietly(place, unfinished);
    throw error;
  }
}

function copyUnnamed(copy: Copy): string | undefined {
  const { content, place, unfinished, folder, name } = copy;
  const fd = place.create(unfinished);
  let sum: string;
  try {
    sum = sumOf(content, (piece) => writeBytes(fd, piece));
    if (copy.sum !== undefined && copy.sum !== sum)
      throw new ReadError("its content is not that of the manifest");
    keepTime(fd, copy.modifiedS);
    fsync(fd);
    if (sumOnDisk({ fd, at: 0, size: content.size }) !== sum)
      throw new WrongCopy(`What was written to ${folder.path}/${name} reads differently`);
  } finally {
    close(fd);
  }
  if (copy.replaces === true) {
    place.move(unfinished, folder, name);
    return sum;
  }
  if (place.moveNew(unfinished, folder, name)) return sum;
  place.unlink(unfinished);
  return undefined;
}

/** Some file systems do not let a file's time be set. It is not worth an error. */
function keepTime(fd: number, modifiedS: number): void {
  try {
    futimesSync(fd, modifiedS, modifiedS);
  } catch {
    // It has the time of the copy.
  }
}

/** Removes an unfinished file after an error, which says more than another one would. */
export function removeQuietly(place: Folder, unfinished: string): void {
  try {
    place.unlink(unfinished);
  } catch {
    // The next run removes it.
  }
}

/** Writes a small file whole, and replaces the one of its name. @throws {SystemError} */
export function replaceFile(
  place: Folder,
  unfinished: string,
  folder: Folder,
  name: string,
  text: string,
): void {
  try {
    const fd = place.create(unfinished);
    try {
      writeBytes(fd, Buffer.from(text));
      // By the clock that gives the images their times: that of a NAS may differ.
      keepTime(fd, Date.now() / 1000);
      fsync(fd);
    } finally {
      close(fd);
    }
    place.move(unfinished, folder, name);
  } catch (error) {
    removeQuietly(place, unfinished);
    throw error;
  }
  folder.flush();
}
