/**
 * A clock that tests set, in a time zone that they choose.
 *
 * @module
 */

import type { Clock } from "../../../src/protocol/calendar.ts";
import type { CivilTime } from "../../../src/os/time.ts";

/**
 * How far local time is ahead of UTC. Each entry has the second since 1970 from which it holds, and
 * the offset in seconds.
 */
export type Zone = readonly (readonly [sinceSeconds: number, offsetSeconds: number])[];

/** Local time is UTC. */
export const UTC: Zone = [[Number.NEGATIVE_INFINITY, 0]];

/**
 * America/Los_Angeles in 2026: the clock goes forward on March 8 and back on November 1, both at
 * two o'clock.
 */
export const LOS_ANGELES: Zone = [
  [Number.NEGATIVE_INFINITY, -8 * 3600],
  [Date.UTC(2026, 2, 8, 10) / 1000, -7 * 3600],
  [Date.UTC(2026, 10, 1, 9) / 1000, -8 * 3600],
];

/** `2026-11-22T13:14:15.620992` (UTC) in microseconds since 1970. */
export function utcMicros(iso: string): number {
  const [seconds = "", fraction = ""] = iso.split(".");
  return Date.parse(`${seconds}Z`) * 1000 + Number(fraction.padEnd(6, "0"));
}

/** The state of a {@link FakeClock}. Threads with the same state have the same clock. */
export interface ClockState {
  /** The time in microseconds since 1970, and the step per reading. */
  readonly micros: BigInt64Array<SharedArrayBuffer>;
  readonly zone: Zone;
}

/** A clock that stands still, or advances by a fixed step per reading. */
export class FakeClock implements Clock {
  constructor(readonly state: ClockState) {}

  /** @param iso in UTC, see {@link utcMicros} */
  static at(iso: string, zone: Zone = UTC, stepMicros = 0): FakeClock {
    const micros = new BigInt64Array(new SharedArrayBuffer(16));
    micros[1] = BigInt(stepMicros);
    const clock = new FakeClock({ micros, zone });
    clock.set(iso);
    return clock;
  }

  set(iso: string): void {
    Atomics.store(this.state.micros, 0, BigInt(utcMicros(iso)));
  }

  /** Moves the clock forward, or back if `seconds` is negative. */
  advance(seconds: number): void {
    Atomics.add(this.state.micros, 0, BigInt(seconds * 1_000_000));
  }

  micros(): number {
    return Number(Atomics.add(this.state.micros, 0, Atomics.load(this.state.micros, 1)));
  }

  local(seconds: number): CivilTime {
    const offset = this.state.zone.findLast(([since]) => seconds >= since)?.[1] ?? 0;
    const time = new Date((seconds + offset) * 1000);
    return [
      time.getUTCFullYear(),
      time.getUTCMonth() + 1,
      time.getUTCDate(),
      time.getUTCHours(),
      time.getUTCMinutes(),
      time.getUTCSeconds(),
    ];
  }
}
