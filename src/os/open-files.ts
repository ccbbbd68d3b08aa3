/**
 * How many files and connections this process can have open.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { SUBSCRIBERS_MAX } from "../limits.ts";

/** RLIMIT_NOFILE: the maximum number of file descriptors; Infinity if unlimited. */
export function descriptorsMax(): number {
  const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}

/**
 * File descriptors reserved for everything but connections: files and folders of the writers,
 * descriptors of libzmq and the runtime.
 */
const FOR_FILES = 48;

/** File descriptors per publisher: its connection, its socket and its monitor. */
const OF_PUBLISHER = 4;

/** File descriptors per port for subscribers: their connections, and those of its sockets. */
const OF_PORT = SUBSCRIBERS_MAX + 16;

/** Lower and upper bound of HTTP connections at once. */
const HTTP_MIN = 16;
const HTTP_MAX = 256;

/** Maximum HTTP connections at once: one per eight file descriptors of the process. */
export function httpConnectionsThatFit(): number {
  return Math.max(HTTP_MIN, Math.min(HTTP_MAX, Math.floor(descriptorsMax() / 8)));
}

/**
 * Maximum sender connections that leave enough descriptors for files, HTTP, publishers, and ports
 * for subscribers. At least 1.
 */
export function sendersThatFit(publishers: number, ports = 0): number {
  const others = httpConnectionsThatFit() + publishers * OF_PUBLISHER + ports * OF_PORT;
  return Math.max(1, descriptorsMax() - FOR_FILES - others);
}
