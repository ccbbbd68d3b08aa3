/**
 * What was stored whole, whoever stored it: counted on the disk, never taken from an answer.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { Payload } from "./payloads.ts";

/**
 * Of how many files the content is compared; of all others only the size, or of raw arrays start
 * and end of the JPEG.
 */
const HASHED_MAX = 200;

/** Files with this at the start of their name were there before. */
export const FILLER_PREFIX = "filler-";

/** The end of a JPEG (EOI), and its start (SOI). */
const JPEG_START = Buffer.from([0xff, 0xd8]);
const JPEG_END = Buffer.from([0xff, 0xd9]);

/** What was found. */
export interface Stored {
  /** Images or lines that are whole. */
  readonly whole: number;
  /** Files that are not, such as a short one. */
  readonly broken: number;
}

function imagesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith(FILLER_PREFIX))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => [".jpg", ".jpeg"].includes(extname(path)));
}

/** Whether these are a JPEG, as far as its start and its end tell. */
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
    // What became of a raw array has a size of its own; a program that only writes it keeps it as
    // it came.
    return isRaw && isJpeg(readFileSync(path));
  };
  const whole = paths.filter(isWhole).length;
  return { whole, broken: paths.length - whole };
}

/** The lines of all event logs below a folder that hold a text. */
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
 * Counts what of a payload stands whole in a data directory: files under `images` of the right
 * size, and of a sample of them the content, or lines in `logs`.
 */
export function countStored(data: string, payload: Payload): Stored {
  if (payload.kept === "file") return countImages(imagesBelow(join(data, "images")), payload);
  return countLines(join(data, "logs"), payload.kept.line);
}

/** How many files or bytes of a payload's kind there are, to see whether more are still coming. */
export function progressOf(data: string, payload: Payload): number {
  if (payload.kept === "file") return imagesBelow(join(data, "images")).length;
  const log = join(data, "logs/imagehub.log");
  return existsSync(log) ? statSync(log).size : 0;
}
