/**
 * A receiver whose loop turns, as `Liveness` sees it, and no writers.
 *
 * @module
 */

import { closeSync } from "node:fs";
import { EventFd } from "../../../src/os/wait.ts";
import { Liveness } from "../../../src/shared/liveness.ts";
import { Loan } from "../../../src/shared/loan.ts";
import { RequestQueue } from "../../../src/shared/queue.ts";
import { RECEIVER_THREAD, type Shared } from "../../../src/shared/memory.ts";

/** How often it turns, in milliseconds. */
const TURN_MS = 2;

/** Turns until it is stopped. */
export class Turning implements Disposable {
  readonly liveness: Liveness;
  private readonly wake = EventFd.create();
  private readonly timer: Timer;

  constructor(shared: Shared) {
    this.liveness = new Liveness(
      shared,
      new RequestQueue(shared, this.wake),
      0,
      new Loan(shared, 0, this.wake),
    );
    const receiver = new RequestQueue(shared, this.wake, RECEIVER_THREAD);
    this.timer = setInterval(() => receiver.turn(), TURN_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  [Symbol.dispose](): void {
    this.stop();
    closeSync(this.wake.fd);
  }
}
