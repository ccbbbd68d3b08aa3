/**
 * How many files and connections this process can have open.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** RLIMIT_NOFILE: how many file descriptors there may be; Infinity where there is no limit. */
export function descriptorsMax(): number {
  const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}

/**
 * File descriptors that are kept for all but connections: the writers' files and folders, libzmq's
 * and the runtime's own.
 */
const FOR_FILES = 48;

/** File descriptors of one publisher: its connection, its socket's and its monitor's. */
const OF_PUBLISHER = 4;

/** Fewest and most connections that may ask over HTTP at once. */
const HTTP_MIN = 16;
const HTTP_MAX = 256;

/**
 * How many connections may ask over HTTP at once: one for eight file descriptors that the process
 * can have.
 */
export function httpConnectionsThatFit(): number {
  return Math.max(HTTP_MIN, Math.min(HTTP_MAX, Math.floor(descriptorsMax() / 8)));
}

/**
 * How many connections of senders this process can have, and still open files to write, answer
 * those who ask over HTTP, and have its publishers. At least 1.
 */
export function sendersThatFit(publishers: number): number {
  return Math.max(
    1,
    descriptorsMax() - FOR_FILES - httpConnectionsThatFit() - publishers * OF_PUBLISHER,
  );
}
