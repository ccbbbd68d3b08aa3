/**
 * Reports for people, and as JSON.
 *
 * @module
 */

import { cpus, release, totalmem } from "node:os";
import { decimals, inPercent, milliseconds, table, whole, withSpread } from "./format.ts";
import { type Outcome, outcomes } from "./goals.ts";
import { figureOf, ratioOf, type Results, type Series, totalOf } from "./results.ts";

/** A description of the machine, in one line. */
export function machine(): string {
  const [first] = cpus();
  const memoryGb = Math.round(totalmem() / 1e9);
  return `${cpus().length} × ${first?.model.trim() ?? process.arch}, ${memoryGb} GB, Linux ${release()} (${process.arch})`;
}

/** The name of a series in a table. */
function nameOf({ candidate, variant }: Series): string {
  return variant.label === "" ? candidate.name : `${candidate.name}, ${variant.label}`;
}

function lossOf(series: Series): string {
  const lost = totalOf(series, "lost");
  if (lost === undefined) return "unknown";
  const others = (totalOf(series, "refused") ?? 0) + (totalOf(series, "unanswered") ?? 0);
  return others === 0 ? whole(lost) : `${whole(lost)}, ${whole(others)} not OK`;
}

type Column = readonly [head: string, cell: (series: Series, results: Results) => string];

/** A column with the median of a figure; empty if that is 0. */
function column(
  head: string,
  figure: Parameters<typeof figureOf>[1],
  show: (value: number) => string,
): Column {
  return [
    head,
    (series) => {
      const { median } = figureOf(series, figure) ?? { median: 0 };
      return median === 0 ? "" : show(median);
    },
  ];
}

const NAME: Column = ["", nameOf];
const LOST: Column = ["lost", lossOf];
const CPU: Column = ["CPU", (series) => withSpread(figureOf(series, "cpuPercent"), inPercent)];
const OTHERS = column("others' CPU", "othersCpuPercent", inPercent);
const MEMORY = column("MB resident", "residentMb", (value) => value.toFixed(0));
const RATE: Column = ["stored/s", (series) => withSpread(figureOf(series, "perSecond"), whole)];
const RATIO: Column = [
  "to the yardstick",
  (series, results) =>
    series.candidate.kind === "yardstick"
      ? ""
      : withSpread(ratioOf(series, results.yardstickOf(series), "perSecond"), decimals),
];
const ANSWERS: readonly Column[] = [
  column("p50", "p50Ms", milliseconds),
  column("p99", "p99Ms", milliseconds),
  column("longest", "maxMs", milliseconds),
];

const FULL: readonly Column[] = [
  NAME,
  RATE,
  RATIO,
  column("MB/s", "megabytesPerSecond", whole),
  LOST,
  CPU,
  column("CPU µs each", "cpuUsPerMessage", (value) => value.toFixed(1)),
  column("load's CPU", "loadCpuPercent", inPercent),
  OTHERS,
  MEMORY,
  ...ANSWERS,
];

const COLUMNS: Readonly<Record<Series["workload"]["kind"], readonly Column[]>> = {
  full: FULL,
  paced: [NAME, RATE, LOST, CPU, OTHERS, MEMORY, ...ANSWERS],
  idle: [NAME, CPU, OTHERS, MEMORY],
  memory: [
    NAME,
    [
      "MB resident",
      ({ rounds }) =>
        rounds
          .at(-1)
          ?.quartersMb?.map((mb) => mb.toFixed(0))
          .join(", ") ?? "",
    ],
    LOST,
  ],
  start: [
    NAME,
    ["first answer", (series) => withSpread(figureOf(series, "startMs"), milliseconds)],
    LOST,
  ],
};

/** How much of a core other programs may use, in percent. With more, figures say little. */
const OTHERS_PERCENT_MAX = 20;

/** A warning if other programs kept the machine busy. */
function disturbance(series: readonly Series[]): string[] {
  const most = Math.max(...series.map((each) => figureOf(each, "othersCpuPercent")?.max ?? 0));
  if (most <= OTHERS_PERCENT_MAX) return [];
  return [
    "",
    `Other programs used up to ${inPercent(most)} of a core: these figures say little. Run the benchmark again on an idle machine.`,
  ];
}

/** The table of one workload. */
export function workloadTable(results: Results, workload: Series["workload"]): string[] {
  const series = results.all.filter((each) => each.workload === workload);
  const columns = COLUMNS[workload.kind];
  const rows = series.map((each) => columns.map(([, cell]) => cell(each, results)));
  const lines = table([columns.map(([head]) => head), ...rows]);
  return [`${workload.name}: ${workload.what}`, "", ...lines, ...disturbance(series)];
}

/** The table of the goals. */
export function goalsTable(goals: readonly Outcome[]): string[] {
  const rows = goals.map(({ what, goal, figure, met }) => [
    what,
    goal,
    figure,
    met ? "met" : "NOT met",
  ]);
  return table([["what", "goal", "figure", ""], ...rows]);
}

/** Everything, for a file. @param settings how the benchmark was run */
export function asJson(results: Results, settings: Readonly<Record<string, unknown>>): string {
  const workloads = results.all.map((series) => ({
    workload: series.workload.name,
    candidate: series.candidate.name,
    variant: series.variant.label,
    perSecond: figureOf(series, "perSecond"),
    toYardstick: ratioOf(series, results.yardstickOf(series), "perSecond"),
    lost: totalOf(series, "lost") ?? null,
    rounds: series.rounds,
  }));
  return `${JSON.stringify({ machine: machine(), settings, workloads, goals: outcomes(results) }, null, 2)}\n`;
}
