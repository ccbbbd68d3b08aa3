/**
 * Counts how long things take, in memory that the threads share. One thread observes, and any
 * thread may read at any time.
 *
 * An observation is a search in a short list and two additions, which is cheap enough for each
 * image. The result is a Prometheus histogram. It may lack an observation that is being made.
 *
 * @module
 */

/**
 * Upper bounds of the buckets, in seconds: from a write to the page cache to a disk that stalls.
 */
export const BOUNDS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

const BOUNDS_MS = BOUNDS_S.map((seconds) => seconds * 1000);
/** The index for durations above all bounds. */
const OVER = BOUNDS_S.length;
/** The index of the sum of all durations, in milliseconds. */
const SUM = OVER + 1;

/** Numbers per histogram: two cache lines. */
export const HISTOGRAM_NUMBERS = SUM + 1;

/** Counts a duration. Only one thread may use the same numbers. */
export function observe(numbers: Float64Array, durationMs: number): void {
  let bucket = 0;
  while (bucket < OVER && durationMs > BOUNDS_MS[bucket]!) bucket++;
  numbers[bucket]!++;
  numbers[SUM]! += durationMs;
}

/** The result of all observations. */
export interface Observed {
  /** Number of durations up to each of {@link BOUNDS_S}. */
  readonly upTo: readonly number[];
  /** Number of all durations. */
  readonly count: number;
  readonly sumSeconds: number;
}

/** Reads several histograms as one. */
export function readHistograms(histograms: readonly Float64Array[]): Observed {
  const total = (at: number): number => histograms.reduce((sum, numbers) => sum + numbers[at]!, 0);
  let count = 0;
  const upTo = BOUNDS_S.map((_, bucket) => (count += total(bucket)));
  return { upTo, count: count + total(OVER), sumSeconds: total(SUM) / 1000 };
}
