/**
 * `npm run bench`: compares the hub's speed with the least that a hub on libzmq can do, and with
 * any other hub.
 *
 * `bun scripts/bench.ts --help` lists options and workloads. The exit status is 64 for a wrong
 * command line. It is 1 if something could not be run, or if this hub or a yardstick lost
 * something. Losses of a peer are only reported. Otherwise it is 0.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Candidate, hub, listens, peer, workers, yardstick } from "./bench/candidates.ts";
import { chart } from "./bench/chart.ts";
import { compile } from "./bench/compile.ts";
import { milliseconds, whole } from "./bench/format.ts";
import { outcomes } from "./bench/goals.ts";
import { type Bench, measure, type Measurement } from "./bench/measure.ts";
import { type Options, readOptions } from "./bench/options.ts";
import { makePayloads } from "./bench/payloads.ts";
import { asJson, goalsTable, machine, workloadTable } from "./bench/report.ts";
import { Results, type Series } from "./bench/results.ts";
import type { Workload } from "./bench/workloads.ts";
import { workFolder } from "./bench/workspace.ts";
import { exitOnSignals } from "./lib/at-exit.ts";

/** The line printed after each measurement. */
function shown(
  workload: Workload,
  { perSecond, cpuPercent, lost, startMs, quartersMb }: Measurement,
): string {
  if (startMs !== undefined) return milliseconds(startMs);
  if (quartersMb !== undefined) return `${quartersMb.map((mb) => mb.toFixed(0)).join(", ")} MB`;
  if (workload.kind === "idle") return `CPU ${cpuPercent.toFixed(2)} %`;
  return `${whole(perSecond)}/s, CPU ${cpuPercent.toFixed(1)} %, lost ${lost ?? "unknown"}`;
}

/**
 * Measures a workload. Each round measures all candidates in turn. Every other round goes in
 * reverse, because a machine gets warm.
 */
async function runWorkload(
  bench: Bench,
  workload: Workload,
  candidates: readonly Candidate[],
  rounds: number,
): Promise<{ series: Series[]; problems: string[] }> {
  const isForControl = workload.kind === "full" && workload.payload !== "raw";
  const taking = candidates.filter(({ kind }) => kind !== "control" || isForControl);
  const series = taking.flatMap((candidate) =>
    workload.variants.map((variant) => ({
      workload,
      variant,
      candidate,
      rounds: [] as Measurement[],
    })),
  );
  const problems: string[] = [];
  for (let round = 1; round <= Math.min(rounds, workload.roundsMax ?? rounds); round++) {
    for (const each of round % 2 === 1 ? series : series.toReversed()) {
      const name = [workload.name, `round ${round}`, each.candidate.name, each.variant.label];
      const prefix = name.filter((part) => part !== "").join(", ");
      try {
        const measurement = await measure(bench, workload, each.variant, each.candidate);
        each.rounds.push(measurement);
        console.log(`${prefix}: ${shown(workload, measurement)}`);
      } catch (error) {
        // Without this round, the rounds of the others cannot be compared.
        problems.push(`${prefix}: ${Error.isError(error) ? error.message : String(error)}`);
        console.error(problems.at(-1));
        return { series: series.filter(({ rounds: done }) => done.length > 0), problems };
      }
    }
  }
  return { series, problems };
}

/** The candidates that were asked for. @throws {Error} if one cannot be run here */
async function candidatesOf(
  options: Options,
  folder: string,
): Promise<{ load: string; candidates: Candidate[] }> {
  const compiled = compile(join(folder, "programs"));
  const candidates = options.candidates.map((name) =>
    name === "yardstick" ? yardstick(compiled) : name === "workers" ? workers(compiled) : hub(name),
  );
  if (options.peer !== undefined) {
    const { command, endpoint, data } = options.peer;
    if (await listens(endpoint))
      throw new Error(
        `Cannot measure the peer: another program listens on ${endpoint}; end it first`,
      );
    candidates.push(peer(command, endpoint, data));
  }
  return { load: compiled.load, candidates };
}

async function main(): Promise<number> {
  const options = readOptions();
  exitOnSignals();
  const folders = { tmpfs: workFolder(options.tmpfs), disk: workFolder(options.disk) };
  const { load, candidates } = await candidatesOf(options, folders.disk);
  const payloads = await makePayloads();
  const { seconds, short, writers, threads, rounds } = options;
  const bench: Bench = { load, folders, payloads, seconds, short, writers, threads };
  console.log(machine());

  const series: Series[] = [];
  const problems: string[] = [];
  for (const workload of options.workloads) {
    const result = await runWorkload(bench, workload, candidates, rounds);
    series.push(...result.series);
    problems.push(...result.problems);
    console.log(`\n${workloadTable(new Results(result.series), workload).join("\n")}\n`);
  }

  const results = new Results(series);
  const goals = outcomes(results);
  if (goals.length > 0) console.log(`${goalsTable(goals).join("\n")}\n`);
  if (options.json !== undefined)
    writeFileSync(options.json, asJson(results, { rounds, seconds, short, writers }));
  const drawing = chart(results, machine());
  if (options.svg !== undefined) {
    if (drawing === undefined) problems.push("Cannot draw the chart: no workload images-… was run");
    else writeFileSync(options.svg, drawing);
  }
  if (results.lost > 0)
    problems.push(`${results.lost} requests were answered OK but not stored whole`);
  for (const problem of problems) console.error(problem);
  return problems.length > 0 ? 1 : 0;
}

try {
  process.exit(await main());
} catch (error) {
  console.error(Error.isError(error) ? error.message : String(error));
  process.exit(1);
}
