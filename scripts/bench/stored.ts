/**
 * Counts what was stored whole. It looks at the disk, never at answers.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { Payload } from "./payloads.ts";

/**
 * Number of files whose content is compared. For all others only the size is, or for raw arrays the
 * start and end of the JPEG.
 */
const HASHED_MAX = 200;

/** The start of names of files that were there before. */
export const FILLER_PREFIX = "filler-";

/** The start of a JPEG (SOI), and its end (EOI). */
const JPEG_START = Buffer.from([0xff, 0xd8]);
const JPEG_END = Buffer.from([0xff, 0xd9]);

/** What was found. */
export interface Stored {
  /** Whole images or lines. */
  readonly whole: number;
  /** Files that are not whole, such as short ones. */
  readonly broken: number;
}

function imagesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith(FILLER_PREFIX))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => [".jpg", ".jpeg"].includes(extname(path)));
}

/** Whether data looks like a JPEG by its start and end. */
function isJpeg(bytes: Buffer): boolean {
  return bytes.subarray(0, 2).equals(JPEG_START) && bytes.subarray(-2).equals(JPEG_END);
}

function hashOf(path: string): string {
  return Bun.SHA256.hash(readFileSync(path), "hex");
}

function countImages(paths: readonly string[], payload: Payload): Stored {
  const isRaw = !isJpeg(Buffer.from(payload.body));
  const hash = Bun.SHA256.hash(payload.body, "hex");
  const step = Math.max(1, Math.floor(paths.length / HASHED_MAX));
  const isWhole = (path: string, index: number): boolean => {
    const { size } = statSync(path);
    if (size === payload.body.length) return index % step !== 0 || hashOf(path) === hash;
    // The JPEG of a raw array has another size. A program that only writes it keeps the array.
    return isRaw && isJpeg(readFileSync(path));
  };
  const whole = paths.filter(isWhole).length;
  return { whole, broken: paths.length - whole };
}

/** The lines of all event logs in a folder that contain a text. */
function countLines(folder: string, text: string): Stored {
  const whole = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => basename(name).startsWith("imagehub.log"))
        .map((name) => readFileSync(join(folder, name), "utf8"))
        .reduce((sum, log) => sum + log.split("\n").filter((line) => line.includes(text)).length, 0)
    : 0;
  return { whole, broken: 0 };
}

/**
 * Counts what is stored whole of a payload in a data directory: files in `images` of the right size
 * (the content is compared for a sample), or lines in `logs`.
 */
export function countStored(data: string, payload: Payload): Stored {
  if (payload.kept === "file") return countImages(imagesBelow(join(data, "images")), payload);
  return countLines(join(data, "logs"), payload.kept.line);
}

/** Number of files, or bytes of the log: shows whether more are still arriving. */
export function progressOf(data: string, payload: Payload): number {
  if (payload.kept === "file") return imagesBelow(join(data, "images")).length;
  const log = join(data, "logs/imagehub.log");
  return existsSync(log) ? statSync(log).size : 0;
}
