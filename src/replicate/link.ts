/**
 * The link to the bucket. When a call fails for a reason that is not its own, all wait: one tries
 * again after a pause, and the others follow when it succeeds.
 *
 * @module
 */

import type { CallOptions } from "../s3/deadline.ts";
import { endedError, StoreError } from "../s3/errors.ts";
import { pauseMs } from "../s3/retrying.ts";
import { Bell } from "./bell.ts";

/** The pause if somebody must do something first, in milliseconds. */
const HELPLESS_MS = 20_000;

/** How often a call is tried while others succeed: then it is not the link. */
const TRIES_MAX = 3;

/** How much later a call that has failed is tried again, in milliseconds: others go first. */
const YIELD_MS = 50;

/** How long a call may take that sends nothing, in milliseconds. */
const CALL_MS_MAX = 30_000;

/** The slowest pace that is waited for, in bytes a millisecond. */
const BYTES_PER_MS_MIN = 16;

/** Who is told how the link is. */
export interface LinkWatch {
  connected(): void;
  disconnected(): void;
  failed(message: string): void;
}

/** The link of one replicator. */
export class Link {
  private failures = 0;
  private successes = 0;
  private failedMs = Number.NEGATIVE_INFINITY;
  private retryMs = 0;
  /** Whether one tries again. */
  private isTrying = false;
  private readonly changed = new Bell();
  private readonly ending = new AbortController();

  /** @param watch is told when it is connected, and when it is not any more, and why */
  constructor(private readonly watch: LinkWatch) {}

  /** Whether the last call has succeeded. */
  get isUp(): boolean {
    return this.failures === 0;
  }

  /**
   * Makes a call, and again, until it succeeds, or until others do and it does not.
   *
   * @param bytes that it sends or gets, for which it has more time
   * @throws {StoreError} if it cannot succeed, and others may; or if the link was ended
   * @throws {Error} if the call could not even be made
   */
  async call<T>(make: (options: CallOptions) => Promise<T>, bytes = 0): Promise<T> {
    const { signal } = this.ending;
    const msMax = CALL_MS_MAX + bytes / BYTES_PER_MS_MIN;
    const successes = this.successes;
    for (let tries = 1; ; tries++) {
      await this.turn(tries === 1 ? 0 : YIELD_MS);
      const beganMs = performance.now();
      try {
        const result = await make({ signal, msMax });
        this.succeeded();
        return result;
      } catch (error) {
        if (!(error instanceof StoreError) || error.problem === "ended") throw error;
        if (error.problem === "other") {
          this.succeeded();
          throw error;
        }
        this.failed(error, beganMs);
        if (tries >= TRIES_MAX && this.successes > successes) throw error;
      } finally {
        this.isTrying = false;
        this.changed.ring();
      }
    }
  }

  /** Ends all calls, and makes no more. */
  end(): void {
    this.ending.abort();
    this.changed.ring();
  }

  /**
   * Waits until a call may be made.
   *
   * @param yieldMs how much longer after a failure
   * @throws {StoreError} if the link was ended
   */
  private async turn(yieldMs: number): Promise<void> {
    for (;;) {
      if (this.ending.signal.aborted) throw endedError();
      if (this.failures === 0) return;
      const waitMs = this.retryMs + yieldMs - performance.now();
      if (!this.isTrying && waitMs <= 0) break;
      await (this.isTrying ? this.changed.rung : this.changed.within(waitMs));
    }
    this.isTrying = true;
  }

  private succeeded(): void {
    this.failures = 0;
    this.successes++;
    this.watch.connected();
  }

  private failed(error: StoreError, beganMs: number): void {
    this.watch.disconnected();
    this.watch.failed(error.message);
    // Those that were on their way together fail together.
    if (beganMs <= this.failedMs) return;
    this.failures++;
    this.failedMs = performance.now();
    const pause = error.isRetryable
      ? pauseMs(this.failures, error.waitMs)
      : HELPLESS_MS * (0.5 + Math.random() / 2);
    this.retryMs = this.failedMs + pause;
  }
}
