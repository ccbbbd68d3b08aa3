/**
 * Watches once a second whether the data directory is the one that the hub has locked, and says when it goes and when it is
 * back.
 *
 * It never holds up the main thread, in which it lives: it asks through the runtime's own threads.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { type DataDirectory, DataState, type DataStateNumber, describeState } from "./data-directory.ts";
import type { DataLock } from "./data-lock.ts";

/** How long after a look the next one begins, in milliseconds. */
const LOOK_MS = 1000;

/** What a look found. */
interface Finding {
  readonly state: DataStateNumber;
  /** Why it cannot be looked at. */
  readonly reason?: string;
}

/** The watch of one hub's data directory. */
export class DataWatch {
  private timer: Timer | undefined;
  private said: string | undefined;
  private goneMs = 0;

  constructor(
    private readonly data: DataDirectory,
    private readonly lock: DataLock,
    private readonly log: Log,
  ) {}

  start(): void {
    this.timer = setTimeout(() => void this.lookAndGoOn(), LOOK_MS);
  }

  private async lookAndGoOn(): Promise<void> {
    await this.look();
    if (this.timer !== undefined) this.start();
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async look(): Promise<void> {
    let finding: Finding;
    try {
      finding = await this.find();
    } catch (error) {
      finding = { state: DataState.unreadable, reason: messageOf(error) };
    }
    this.data.state = finding.state;
    this.say(finding);
  }

  private async find(): Promise<Finding> {
    const { data, lock } = this;
    const found = await data.look();
    if (found.state === DataState.right) {
      if (await lock.isAtPath()) return found;
      if (!(await lock.takeAgain())) return { state: DataState.taken };
      this.log.warn(`The lock of the data directory was removed, and is made anew: ${lock.path}`);
      return found;
    }
    // A disk that was plugged in again can have other numbers, and is known by what this process left on it.
    if (found.state !== DataState.replaced || !(await lock.isKnown())) return found;
    if (!(await lock.takeAgain())) return { state: DataState.taken };
    await data.adoptSoon();
    return { state: DataState.right };
  }

  private say({ state, reason }: Finding): void {
    const problem = state === DataState.right ? undefined : describeState(this.data.path, state, reason);
    if (problem === this.said) return;
    const now = performance.now();
    if (this.said === undefined) this.goneMs = now;
    this.said = problem;
    if (problem !== undefined) this.log.warn(`Nothing can be stored: ${problem}`);
    else
      this.log.info(`The data directory ${this.data.path} is back, and the hub goes on`, {
        seconds: Math.round((now - this.goneMs) / 1000),
      });
  }
}
