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

/** Options of a call. */
export interface LinkCall {
  /** How long it waits until it may be made; by `performance.now`, in milliseconds. */
  readonly untilMs?: number;
  /** How long it may take that sends nothing, in milliseconds. Default {@link CALL_MS_MAX}. */
  readonly msMax?: number;
}

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

  /**
   * @param watch is told when it is connected, and when it is not any more, and why
   * @param pauseMsMax longest pause that the store has not asked for, in milliseconds
   */
  constructor(
    private readonly watch: LinkWatch,
    private readonly pauseMsMax = Number.POSITIVE_INFINITY,
  ) {}

  /** Whether the last call has succeeded. */
  get isUp(): boolean {
    return this.failures === 0;
  }

  /**
   * Makes a call, and again, until it succeeds, or it is too late. If it is never too late: until
   * others succeed and it does not.
   *
   * @param bytes that it sends or gets, for which it has more time
   * @throws {StoreError} if it cannot succeed, and others may; or if the link was ended, or it is
   *   too late
   * @throws {Error} if the call could not even be made
   */
  async call<T>(
    make: (options: CallOptions) => Promise<T>,
    bytes = 0,
    { untilMs = Number.POSITIVE_INFINITY, msMax: ownMsMax = CALL_MS_MAX }: LinkCall = {},
  ): Promise<T> {
    const { signal } = this.ending;
    const msMax = ownMsMax + bytes / BYTES_PER_MS_MIN;
    const successes = this.successes;
    for (let tries = 1; ; tries++) {
      await this.turn(untilMs, tries === 1 ? 0 : YIELD_MS);
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
        const isHopeless = tries >= TRIES_MAX && this.successes > successes;
        // Or it has a time of its own, in which it is tried.
        if (isHopeless && untilMs === Number.POSITIVE_INFINITY) throw error;
      } finally {
        this.isTrying = false;
        this.changed.ring();
      }
    }
  }

  /** The link for somebody whose calls are all made so. */
  with(options: LinkCall): Pick<Link, "call"> {
    return { call: async (make, bytes) => await this.call(make, bytes, options) };
  }

  /** Ends all calls, and makes no more. */
  end(): void {
    this.ending.abort();
    this.changed.ring();
  }

  /**
   * Waits until a call may be made.
   *
   * @param untilMs when it is too late
   * @param yieldMs how much longer after a failure
   * @throws {StoreError} if the link was ended, or it is too late
   */
  private async turn(untilMs: number, yieldMs: number): Promise<void> {
    for (;;) {
      const now = performance.now();
      if (this.ending.signal.aborted || now >= untilMs) throw endedError();
      if (this.failures === 0) return;
      const waitMs = this.retryMs + yieldMs - now;
      if (!this.isTrying && waitMs <= 0) break;
      const longestMs = Math.min(untilMs - now, this.isTrying ? Number.POSITIVE_INFINITY : waitMs);
      await (Number.isFinite(longestMs) ? this.changed.within(longestMs) : this.changed.rung);
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
    const pauseMsMax = Math.max(this.pauseMsMax, error.waitMs ?? 0);
    const pause = error.isRetryable
      ? Math.min(pauseMs(this.failures, error.waitMs), pauseMsMax)
      : HELPLESS_MS * (0.5 + Math.random() / 2);
    this.retryMs = this.failedMs + pause;
  }
}
