/**
 * Tries again what may succeed soon.
 *
 * @module
 */

import { endedError, StoreError } from "./errors.ts";

/** The wait after a failure, in milliseconds. Its upper bound doubles with each one. */
const PAUSE_MS_MIN = 200;
const PAUSE_MS_MAX = 20_000;

/** The longest wait that a store can ask for, in milliseconds. */
const ASKED_MS_MAX = 120_000;

/** Options of {@link retrying}. */
export interface RetryOptions {
  /** How often it is tried at most. */
  readonly triesMax?: number;
  /** Ends the waiting, and is for the tries as well. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each failure that is followed by a wait. */
  readonly onFailure?: (error: StoreError, waitMs: number) => void;
  /** From 0 to below 1. */
  readonly random?: () => number;
}

/**
 * How long to wait after so many failures, in milliseconds: at random up to an upper bound, so that
 * those who failed together do not come back together, but at least half of it.
 *
 * @param failures from 1
 * @param askedMs by the store
 */
export function pauseMs(failures: number, askedMs = 0, random = Math.random): number {
  const boundMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(failures - 1, 16));
  const ownMs = boundMs * (0.5 + random() / 2);
  return Math.max(ownMs, Math.min(askedMs, ASKED_MS_MAX));
}

/** Calls until it succeeds. Rejects with its last error, or if that cannot pass by itself. */
export async function retrying<T>(
  call: () => Promise<T>,
  { triesMax = 5, signal, onFailure, random }: RetryOptions = {},
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StoreError) || !error.isRetryable || tries >= triesMax) throw error;
      const waitMs = pauseMs(tries, error.waitMs, random);
      onFailure?.(error, waitMs);
      await sleep(waitMs, signal);
    }
  }
}

/** Waits. Rejects with a {@link StoreError} if the signal comes. */
export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const end = (): void => reject(endedError());
  const timer = setTimeout(resolve, ms);
  if (signal?.aborted === true) end();
  signal?.addEventListener("abort", end);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}
