/**
 * All that was measured, and what is made of it: medians, and ratios within a round.
 *
 * @module
 */

import type { Candidate } from "./candidates.ts";
import type { Measurement } from "./measure.ts";
import { ratios, type Spread, spread } from "./statistics.ts";
import type { Variant, Workload } from "./workloads.ts";

/** The measurements of one candidate in one variant of a workload, a round each. */
export interface Series {
  readonly workload: Workload;
  readonly variant: Variant;
  readonly candidate: Candidate;
  readonly rounds: readonly Measurement[];
}

/** What of a measurement is a figure. */
export type Figure = {
  [Key in keyof Measurement]-?: NonNullable<Measurement[Key]> extends number ? Key : never;
}[keyof Measurement];

/** The figures of all rounds. */
function valuesOf(series: Series | undefined, figure: Figure): number[] {
  return (series?.rounds ?? []).map((round) => round[figure] ?? Number.NaN);
}

/** The median of a figure, and its spread. */
export function figureOf(series: Series | undefined, figure: Figure): Spread | undefined {
  return spread(valuesOf(series, figure));
}

/** The sum of a figure over all rounds; undefined where it is not known. */
export function totalOf(series: Series, figure: Figure): number | undefined {
  const values = valuesOf(series, figure);
  return series.rounds.some((round) => round[figure] === null)
    ? undefined
    : values.reduce((sum, value) => sum + value, 0);
}

/** The ratio of a figure to another series' of the same round. */
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

  /** The series of a candidate; of a variant by its place, the first where none is given. */
  find(workload: string, kind: Candidate["kind"], variant = 0): Series | undefined {
    return this.all.find(
      (series) =>
        series.workload.name === workload &&
        series.candidate.kind === kind &&
        series.workload.variants[variant] === series.variant,
    );
  }

  /** The yardstick's series beside another one. */
  yardstickOf({ workload, variant }: Series): Series | undefined {
    return this.find(workload.name, "yardstick", workload.variants.indexOf(variant));
  }

  /** What this project's own programs have lost, all in all. */
  get lost(): number {
    return this.all
      .filter(({ candidate }) => candidate.kind !== "peer")
      .reduce((sum, series) => sum + (totalOf(series, "lost") ?? 0), 0);
  }
}
