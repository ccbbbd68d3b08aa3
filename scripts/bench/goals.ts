/**
 * The hub's goals. If possible they are ratios within one run on one machine, because the machine's
 * own speed changes by a factor of two between runs.
 *
 * @module
 */

import { decimals, inPercent, milliseconds } from "./format.ts";
import { figureOf, ratioOf, type Results, totalOf } from "./results.ts";
import type { Spread } from "./statistics.ts";

/** A goal and its result. */
export interface Outcome {
  readonly what: string;
  readonly goal: string;
  /** What was measured; several figures if the goal has several parts. */
  readonly figure: string;
  readonly met: boolean;
}

/** One figure, and whether it is good enough. */
interface Part {
  readonly figure: string;
  readonly met: boolean;
}

interface Goal {
  readonly what: string;
  readonly goal: string;
  /** The parts that were measured. */
  readonly judge: (results: Results) => readonly (Part | undefined)[];
}

/** The workloads whose throughput is a goal. */
const THROUGHPUT = ["images-4", "images-8", "images-16"];

/** Maximum resident memory after all images, in MB. */
const RESIDENT_MB_MAX = 80;

/**
 * Maximum ratio of resident memory after all images to that after a quarter of them: about flat.
 */
const FLAT = 1.1;

function part(
  name: string,
  measured: Spread | undefined,
  show: (value: number) => string,
  isMet: (median: number) => boolean,
): Part | undefined {
  if (measured === undefined) return undefined;
  const { median } = measured;
  return { figure: `${name === "" ? "" : `${name}: `}${show(median)}`, met: isMet(median) };
}

const atLeast = (least: number) => (value: number) => value >= least;
const atMost = (most: number) => (value: number) => value <= most;

/** The ratio to the yardstick. */
function toYardstick(
  results: Results,
  workload: string,
  least: number,
  name = "",
): Part | undefined {
  const [hub, yardstick] = [results.find(workload, "hub"), results.find(workload, "yardstick")];
  return part(name, ratioOf(hub, yardstick, "perSecond"), decimals, atLeast(least));
}

function cpu(
  results: Results,
  workload: string,
  isMet: (value: number) => boolean,
): Part | undefined {
  return part(workload, figureOf(results.find(workload, "hub"), "cpuPercent"), inPercent, isMet);
}

function lostBesidePeer(results: Results, workload: string): Part | undefined {
  const hub = results.find(workload, "hub");
  if (hub === undefined || results.find(workload, "peer") === undefined) return undefined;
  const lost = totalOf(hub, "lost") ?? 0;
  return { figure: `${workload}: ${lost} lost`, met: lost === 0 };
}

function flatMemory(results: Results): readonly (Part | undefined)[] {
  const hub = results.find("memory", "hub");
  const quarters = hub?.rounds.at(-1)?.quartersMb;
  if (quarters === undefined) return [];
  const figure = `${quarters.map((mb) => mb.toFixed(0)).join(", ")} MB`;
  return [
    { figure, met: quarters.at(-1)! <= RESIDENT_MB_MAX && quarters.at(-1)! <= quarters[0]! * FLAT },
  ];
}

const GOALS: readonly Goal[] = [
  {
    what: "images stored and answered per second, 4 to 16 senders, against the yardstick",
    goal: "≥ 1.0",
    judge: (results) => THROUGHPUT.map((name) => toYardstick(results, name, 1, name)),
  },
  {
    what: "the same, against what the peer stores",
    goal: "≥ 2, 0 lost",
    judge: (results) =>
      THROUGHPUT.flatMap((name) => [
        part(
          name,
          ratioOf(results.find(name, "hub"), results.find(name, "peer"), "perSecond"),
          decimals,
          atLeast(2),
        ),
        lostBesidePeer(results, name),
      ]),
  },
  {
    what: "CPU of one core, idle, at 120 and at 360 images per second",
    goal: "< 0.3 %, ≤ 4 %, ≤ 10 %",
    judge: (results) => [
      cpu(results, "idle", (value) => value < 0.3),
      cpu(results, "paced-120", atMost(4)),
      cpu(results, "paced-360", atMost(10)),
    ],
  },
  {
    what: "resident memory after each quarter of 100,000 images",
    goal: "≤ 80 MB, flat",
    judge: flatMemory,
  },
  {
    what: "p99 of the answer, 12 senders with 10 images per second each",
    goal: "≤ 1.5 ms, ≤ 1/3 of the peer's",
    judge: (results) => {
      const [hub, peer] = [results.find("paced-120", "hub"), results.find("paced-120", "peer")];
      return [
        part("", figureOf(hub, "p99Ms"), milliseconds, atMost(1.5)),
        part("of the peer's", ratioOf(hub, peer, "p99Ms"), decimals, atMost(1 / 3)),
      ];
    },
  },
  {
    what: "ack: synced, 8 senders, against a C program with the same calls and threads",
    goal: "≥ 0.9",
    judge: (results) => [toYardstick(results, "ack-synced", 0.9)],
  },
  {
    what: "events per second against the yardstick, which appends lines",
    goal: "≥ 0.9",
    judge: (results) => [toYardstick(results, "events", 0.9)],
  },
  {
    what: "MB/s of JPEGs of 1 MB against the yardstick",
    goal: "≥ 1.0",
    judge: (results) => [toYardstick(results, "images-1mb", 1)],
  },
  {
    what: "CPU per message with 1,000 senders connected, against 8",
    goal: "≤ 1.3",
    judge: (results) =>
      ["connected-1000", "all-1000"].map((name) =>
        part(
          name,
          ratioOf(results.find(name, "hub", 1), results.find(name, "hub"), "cpuUsPerMessage"),
          decimals,
          atMost(1.3),
        ),
      ),
  },
  {
    what: "images per second into a date folder with 200,000 files, against an empty one",
    goal: "≥ 0.95",
    judge: (results) => [
      part(
        "",
        ratioOf(
          results.find("full-folder", "hub", 1),
          results.find("full-folder", "hub"),
          "perSecond",
        ),
        decimals,
        atLeast(0.95),
      ),
    ],
  },
  {
    what: "start to first answer",
    goal: "≤ 250 ms",
    judge: (results) => [
      part("", figureOf(results.find("start", "hub"), "startMs"), milliseconds, atMost(250)),
    ],
  },
];

/** The results of all goals for which something was measured. */
export function outcomes(results: Results): Outcome[] {
  return GOALS.flatMap(({ what, goal, judge }) => {
    const parts = judge(results).filter((each) => each !== undefined);
    if (parts.length === 0) return [];
    const figure = parts.map((each) => each.figure).join("; ");
    return [{ what, goal, figure, met: parts.every((each) => each.met) }];
  });
}
