/**
 * Lines of the log that may come in a flood: at once, and then once a second with a count for each kind.
 *
 * @module
 */

import { FloodGate } from "../flood.ts";
import type { LogLevel } from "../log/format.ts";

/** Writes a line to the hub's own log. */
export type Report = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

/** What is wrong. */
export interface Complaint {
  readonly level: "error" | "warn";
  readonly message: string;
  readonly fields?: Record<string, unknown>;
}

/** Reports complaints, and remembers the last one of each kind, for when its second is over. */
export class Complaints {
  private readonly floods = new FloodGate();
  private readonly last = new Map<string, Complaint>();

  constructor(private readonly report: Report) {}

  /** Whether something was counted that no line stands for yet. */
  get pending(): boolean {
    return this.floods.pending;
  }

  /** @param kind one of few: nothing that was sent may be in it */
  add(kind: string, complaint: Complaint): void {
    this.last.set(kind, complaint);
    const count = this.floods.admit(kind, performance.now());
    if (count > 0) this.write(complaint, count);
  }

  /** Reports what was held back and has waited for a second by now. @param now in milliseconds; Infinity for all */
  flush(now: number): void {
    for (const [kind, count] of this.floods.flush(now)) {
      const complaint = this.last.get(kind);
      if (complaint !== undefined) this.write(complaint, count);
    }
  }

  private write({ level, message, fields = {} }: Complaint, count: number): void {
    this.report(level, message, count > 1 ? { ...fields, count } : fields);
  }
}
