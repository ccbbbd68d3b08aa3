/**
 * Clocks and local time.
 *
 * @module
 */

import { c } from "./ffi.ts";

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_BOOTTIME = 7;
const timespec = new BigInt64Array(2);
const timespecWords = new Int32Array(timespec.buffer);

/** `clock_gettime(CLOCK_REALTIME)`: microseconds since 1970 UTC. It jumps when the clock is set. */
export function realtimeMicros(): number {
  c.clock_gettime(CLOCK_REALTIME, timespec);
  // The low word of the seconds, read unsigned, is enough until 2106. Both targets are
  // little-endian.
  const seconds = timespecWords[0]! >>> 0;
  return seconds * 1_000_000 + Math.floor(timespecWords[2]! / 1000);
}

/**
 * `clock_gettime(CLOCK_MONOTONIC)`: microseconds since a fixed moment, the same for all processes
 * of the machine.
 */
export function monotonicMicros(): bigint {
  c.clock_gettime(CLOCK_MONOTONIC, timespec);
  return timespec[0]! * 1_000_000n + timespec[1]! / 1000n;
}

/**
 * `clock_gettime(CLOCK_BOOTTIME)`: milliseconds since the machine was started. Nobody sets it, and
 * it goes on while the machine sleeps.
 */
export function bootMs(): number {
  c.clock_gettime(CLOCK_BOOTTIME, timespec);
  return Number(timespec[0]!) * 1000 + Number(timespec[1]!) / 1e6;
}

/** struct tm of glibc: nine ints, then the offset and name of the zone. */
const TM_BYTES = 56;
const tm = new Int32Array(TM_BYTES / Int32Array.BYTES_PER_ELEMENT);
const timeT = new BigInt64Array(1);

/** A local time: year, month 1–12, day 1–31, hour, minute, second. */
export type CivilTime = readonly [
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
];

/**
 * `localtime_r(3)`, as Python's `datetime.now()` uses it. It reads the system's zone data, which
 * `apt` keeps current, instead of the copy inside the runtime. A changed `/etc/localtime` counts
 * from the next call.
 *
 * @param seconds since 1970 UTC
 */
export function localTime(seconds: number): CivilTime {
  timeT[0] = BigInt(seconds);
  c.tzset();
  c.localtime_r(timeT, tm);
  return [tm[5]! + 1900, tm[4]! + 1, tm[3]!, tm[2]!, tm[1]!, tm[0]!];
}
