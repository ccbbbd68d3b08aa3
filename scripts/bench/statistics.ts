/**
 * Medians and ranges over rounds.
 *
 * @module
 */

/** Statistics over several rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Median, minimum and maximum; undefined if there are no values. */
export function spread(values: readonly number[]): Spread | undefined {
  const sorted = values.filter(Number.isFinite).toSorted((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** The ratios of values from the same round. */
export function ratios(values: readonly number[], to: readonly number[]): Spread | undefined {
  const pairs = Math.min(values.length, to.length);
  return spread(values.slice(0, pairs).map((value, round) => value / to[round]!));
}
