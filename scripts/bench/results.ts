/**
 * All measurements, their medians, and ratios within a round.
 *
 * @module
 */

import type { Candidate } from "./candidates.ts";
import type { Measurement } from "./measure.ts";
import { ratios, type Spread, spread } from "./statistics.ts";
import type { Variant, Workload } from "./workloads.ts";

/** The measurements of one candidate in one variant of a workload, one per round. */
export interface Series {
  readonly workload: Workload;
  readonly variant: Variant;
  readonly candidate: Candidate;
  readonly rounds: readonly Measurement[];
}

/** The names of the numbers in a measurement. */
export type Figure = {
  [Key in keyof Measurement]-?: NonNullable<Measurement[Key]> extends number ? Key : never;
}[keyof Measurement];

/** A figure in all rounds. */
function valuesOf(series: Series | undefined, figure: Figure): number[] {
  return (series?.rounds ?? []).map((round) => round[figure] ?? Number.NaN);
}

/** The median of a figure, with its range. */
export function figureOf(series: Series | undefined, figure: Figure): Spread | undefined {
  return spread(valuesOf(series, figure));
}

/** The sum of a figure over all rounds; undefined if it is unknown. */
export function totalOf(series: Series, figure: Figure): number | undefined {
  const values = valuesOf(series, figure);
  return series.rounds.some((round) => round[figure] === null)
    ? undefined
    : values.reduce((sum, value) => sum + value, 0);
}

/** The ratio of a figure to that of another series in the same round. */
export function ratioOf(
  series: Series | undefined,
  to: Series | undefined,
  figure: Figure,
): Spread | undefined {
  return ratios(valuesOf(series, figure), valuesOf(to, figure));
}

/** All series of a run. */
export class Results {
  constructor(readonly all: readonly Series[]) {}

  /** The series of a kind of candidate, by default for the first variant. */
  find(workload: string, kind: Candidate["kind"], variant = 0): Series | undefined {
    return this.all.find(
      (series) =>
        series.workload.name === workload &&
        series.candidate.kind === kind &&
        series.workload.variants[variant] === series.variant,
    );
  }

  /** The yardstick's series for the same workload and variant. */
  yardstickOf({ workload, variant }: Series): Series | undefined {
    return this.find(workload.name, "yardstick", workload.variants.indexOf(variant));
  }

  /** Everything that this project's own programs have lost. */
  get lost(): number {
    return this.all
      .filter(({ candidate }) => candidate.kind !== "peer")
      .reduce((sum, series) => sum + (totalOf(series, "lost") ?? 0), 0);
  }
}
