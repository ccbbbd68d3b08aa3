/**
 * Log lines that may come in a flood: the first one is logged at once, then one per second and
 * kind, with a count.
 *
 * @module
 */

import type { LogLevel } from "../log/format.ts";

/** Default time between two lines of one kind, in milliseconds. */
const WINDOW_MS = 1000;

/** Writes a line to the hub's own log. */
export type Report = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

/** A problem to report. */
export interface Complaint {
  readonly level: "error" | "warn" | "info";
  readonly message: string;
  /** Shortest time until the next line of this kind, in milliseconds; default: a second. */
  readonly windowMs?: number;
  readonly fields?: Record<string, unknown>;
}

/** The state of a kind. */
interface Entry {
  /** When its last line was written. */
  sinceMs: number;
  /** How many have come since, without a line. */
  held: number;
  /** The latest one. */
  last: Complaint;
}

/** Reports complaints. Keeps the latest one of each kind until its second is over. */
export class Complaints {
  private readonly entries = new Map<string, Entry>();
  private heldKinds = 0;

  constructor(private readonly report: Report) {}

  /** Whether something was counted but not yet logged, so {@link flush} is due within a second. */
  get pending(): boolean {
    return this.heldKinds > 0;
  }

  /**
   * @param kind one of a few: it must not contain anything that was sent
   * @param nowMs of a clock that never goes back
   */
  add(kind: string, complaint: Complaint, nowMs = performance.now()): void {
    const entry = this.entries.get(kind) ?? {
      sinceMs: Number.NEGATIVE_INFINITY,
      held: 0,
      last: complaint,
    };
    this.entries.set(kind, entry);
    entry.last = complaint;
    if (entry.held++ === 0) this.heldKinds++;
    if (isDue(entry, nowMs)) this.write(entry, nowMs);
  }

  /** Reports what has waited long enough. @param nowMs Infinity for everything */
  flush(nowMs: number): void {
    for (const entry of this.entries.values()) {
      if (entry.held > 0 && isDue(entry, nowMs)) this.write(entry, nowMs);
    }
  }

  private write(entry: Entry, nowMs: number): void {
    const { held, last } = entry;
    const { level, message, fields = {} } = last;
    entry.held = 0;
    entry.sinceMs = nowMs;
    this.heldKinds--;
    this.report(level, message, held > 1 ? { ...fields, count: held } : fields);
  }
}

function isDue({ sinceMs, last: { windowMs = WINDOW_MS } }: Entry, nowMs: number): boolean {
  return nowMs - sinceMs >= windowMs;
}
