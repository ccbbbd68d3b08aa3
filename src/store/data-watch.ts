/**
 * Checks once a second whether the data directory is the one that the hub has locked, and logs when
 * it disappears and when it is back. This waits for the disk, so it runs in the flusher.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { type DataGuard, DataState, type Finding } from "./data-guard.ts";
import type { DataLock } from "./data-lock.ts";

/** The watch over one hub's data directory. */
export class DataWatch {
  private said: string | undefined;
  private goneMs = 0;

  constructor(
    private readonly guard: DataGuard,
    private readonly lock: DataLock,
    private readonly log: Pick<Log, "info" | "warn">,
  ) {}

  /** Checks once, and informs all threads. */
  look(): void {
    let finding: Finding;
    try {
      finding = this.find();
    } catch (error) {
      finding = { state: DataState.unreadable, reason: messageOf(error) };
    }
    this.guard.state = finding.state;
    this.say(finding);
  }

  private find(): Finding {
    const { guard, lock } = this;
    const found = guard.look();
    if (found.state === DataState.right) {
      if (lock.isAtPath()) return found;
      if (!lock.reacquire()) return { state: DataState.taken };
      this.log.warn(
        `The lock file of the data directory was removed, so it was made again: ${lock.path}`,
      );
      return found;
    }
    // A disk that was plugged in again may have other numbers. Recognize it by the file that this
    // process left on it.
    if (found.state !== DataState.replaced || !lock.isKnown()) return found;
    if (!lock.reacquire()) return { state: DataState.taken };
    guard.adopt();
    return { state: DataState.right };
  }

  private say({ state, reason }: Finding): void {
    const problem = state === DataState.right ? undefined : this.guard.describe(state, reason);
    if (problem === this.said) return;
    const now = performance.now();
    if (this.said === undefined) this.goneMs = now;
    this.said = problem;
    if (problem !== undefined) this.log.warn(`Nothing can be stored: ${problem}`);
    else
      this.log.info(`The data directory ${this.guard.directory.path} is back; the hub continues`, {
        seconds: Math.round((now - this.goneMs) / 1000),
      });
  }
}
