/**
 * When a file was stored, by what it says itself. The bucket only knows when it was put there.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { IMAGES, type Member } from "../archive/layout.ts";
import { parseImageFileName } from "../protocol/names.ts";
import { readRecord } from "../store/log-files.ts";
import { readRange } from "./read.ts";

/** More than the last line of a log has, in bytes. */
const TAIL_BYTES = 65_536;

/**
 * By the name of an image, or the last record of an event log, in local time.
 *
 * @param date of its day
 * @param fd of the log, open for reading
 * @returns in seconds since 1970
 * @throws {Error} of node:fs
 */
export function storedS(
  { part, name }: Pick<Member, "part" | "name">,
  date: string,
  fd: number,
): number {
  if (part === IMAGES) return localS(date, (parseImageFileName(name, date)?.micros ?? 0) / 1000);
  const { size } = fstatSync(fd);
  const from = Math.max(0, size - TAIL_BYTES);
  const lines = readRange(fd, from, size - from)
    .toString()
    .split("\n");
  const last = lines.map((line) => readRecord(line)).findLast((record) => record !== undefined);
  const [hour, minute, second, ms] = (last?.time ?? "").split(/[:,]/).map(Number);
  const ofDayMs = (((hour ?? 0) * 60 + (minute ?? 0)) * 60 + (second ?? 0)) * 1000 + (ms ?? 0);
  return localS(last?.date ?? date, ofDayMs);
}

/** @param ofDayMs since midnight by the clock on the wall, in milliseconds */
function localS(date: string, ofDayMs: number): number {
  const [year, month, day] = date.split("-").map(Number) as [number, number, number];
  const whole = Math.floor(ofDayMs);
  return (new Date(year, month - 1, day, 0, 0, 0, whole).getTime() + ofDayMs - whole) / 1000;
}
