/**
 * Reads the files that go into the bucket, each as a whole.
 *
 * @module
 */

import { fstatSync, readSync } from "node:fs";
import { IMAGES, type Member } from "../archive/layout.ts";
import { close, openRead } from "../os/files.ts";
import { unlessMissing } from "../os/missing.ts";
import { type DataDirectory, Part } from "../store/data-directory.ts";
import type { DataGuard } from "../store/data-guard.ts";

/** Where files are read. */
export interface ReadParts {
  readonly directory: DataDirectory;
  /** Says whether it is the right one. */
  readonly guard: Pick<DataGuard, "check">;
}

/** A file, or a part of it. */
export interface Piece {
  readonly bytes: Buffer<ArrayBuffer>;
  /** Of the file, when it was modified last, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

/**
 * Reads a member of a day. An image may only be among the protected ones.
 *
 * @returns undefined if it is gone
 * @throws {DataDirectoryGone} if the data directory is another one than at the start
 * @throws {SystemError}, {NotAFile} and {Error} of node:fs
 */
export function readMember(parts: ReadParts, date: string, member: Member): Piece | undefined {
  const { directory } = parts;
  const path = `${directory.path}/${member.path}`;
  if (member.part !== IMAGES) return readFile(parts, path, Part.logs);
  return (
    readFile(parts, path, Part.images) ??
    readFile(parts, `${directory.keptFolder(date)}/${member.name}`, Part.images)
  );
}

function readFile({ guard }: ReadParts, path: string, part: Part): Piece | undefined {
  const fd = unlessMissing(() => openRead(path));
  // Its disk may be gone, and the file with it.
  guard.check(part);
  if (fd === undefined) return undefined;
  try {
    const { size, mtimeMs } = fstatSync(fd);
    return { bytes: readRange(fd, 0, size), modifiedMs: mtimeMs };
  } finally {
    close(fd);
  }
}

/** Reads some bytes of a file. @throws {Error} if it has fewer, and of node:fs */
export function readRange(fd: number, at: number, length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length;) {
    const count = readSync(fd, bytes, done, length - done, at + done);
    if (count === 0) throw new Error("It is shorter than it was");
    done += count;
  }
  return bytes;
}
