/**
 * Lines of the log that may come in a flood: at once, and then once a second with a count for each
 * kind.
 *
 * @module
 */

import type { LogLevel } from "../log/format.ts";

/** Shortest time between two lines of one kind, where nothing else is said, in milliseconds. */
const WINDOW_MS = 1000;

/** Writes a line to the hub's own log. */
export type Report = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

/** What is wrong. */
export interface Complaint {
  readonly level: "error" | "warn" | "info";
  readonly message: string;
  /** Shortest time until the next line of this kind, in milliseconds; default: a second. */
  readonly windowMs?: number;
  readonly fields?: Record<string, unknown>;
}

/** What is remembered of a kind. */
interface Entry {
  /** When its last line was written. */
  sinceMs: number;
  /** How many came since, without a line. */
  held: number;
  /** The last one that came. */
  last: Complaint;
}

/** Reports complaints, and remembers the last one of each kind, for when its second is over. */
export class Complaints {
  private readonly entries = new Map<string, Entry>();
  private heldKinds = 0;

  constructor(private readonly report: Report) {}

  /**
   * Whether something was counted that no line stands for yet, so that {@link flush} is due within
   * a second.
   */
  get pending(): boolean {
    return this.heldKinds > 0;
  }

  /**
   * @param kind one of few: nothing that was sent may be in it
   * @param nowMs of a clock that never steps back
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

  /**
   * Reports what was held back and has waited for long enough by now. @param nowMs Infinity for all
   */
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
