/**
 * The command line of the benchmark.
 *
 * @module
 */

import { cpus } from "node:os";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CHECKOUT } from "../lib/available.ts";
import { type Workload, WORKLOADS } from "./workloads.ts";

const CANDIDATES = ["yardstick", "workers", "binary", "source"] as const;
const DEFAULT_CANDIDATES: readonly (typeof CANDIDATES)[number][] = [
  "yardstick",
  "workers",
  "binary",
];

/** Default rounds and seconds per measurement, also for a short run. */
const ROUNDS = 5;
const SECONDS = 2;
const SECONDS_SHORT = 0.2;

/** Limits of the options. */
const ROUNDS_MAX = 1000;
const SECONDS_MAX = 600;
const WRITERS = 2;
const WRITERS_MAX = 64;
const THREADS_MAX = 64;

/** Cores per thread of the load, which needs a third of what a hub does. */
const CORES_PER_THREAD = 4;

/** Exit status for a wrong command line, the same as the hub's. */
const USAGE = 64;

const LOOPBACK = /^tcp:\/\/(?:127\.\d+\.\d+\.\d+|\[::1\]):\d+$/;

const HELP = `Usage: npm run bench -- [options]

Sends images and events to each hub in turn, in every round, and counts what is stored whole.

Options:
  --workload NAME         a workload from the list below; repeat for more; default: all
  --candidate NAME        ${CANDIDATES.join(", ")}; repeat for more; default: ${DEFAULT_CANDIDATES.join(" and ")}
  --rounds N              default ${ROUNDS}
  --seconds S             seconds per measurement; default ${SECONDS}
  --peer COMMAND          another hub, as a shell command; it is started and ended for each measurement
  --peer-endpoint ADDR    its address, such as tcp://127.0.0.1:5555
  --peer-data DIR         its data directory (with images/ and logs/); must be empty, and is emptied after each measurement
  --writers N             threads of the hub and of the yardstick for ack: synced; default ${WRITERS}
  --threads N             threads of the load; default one per ${CORES_PER_THREAD} cores
  --tmpfs DIR             a directory in memory with enough room; default /dev/shm
  --disk DIR              a directory on a disk with enough room; default .cache/bench in the checkout
  --json FILE, --svg FILE write all figures, and a chart of the workloads images-…
  --short                 tiny measurements: only shows that the benchmark works
  --help                  show this

Candidates:
  yardstick  a C program on the same libzmq: one loop that writes each image and answers
  workers    a C program that keeps the hub's promises: whole files, several writers; only for JPEGs and events at full speed
  binary     this hub's executable in dist (npm run build)
  source     this hub from source

Goals are judged by binary, or by source if binary was not measured.

Workloads:
${WORKLOADS.map(({ name, what }) => `  ${name.padEnd(16)}${what}`).join("\n")}
`;

/** The options for another hub. */
interface PeerOptions {
  readonly command: string;
  readonly endpoint: string;
  readonly data: string | undefined;
}

/** The options of a run. */
export interface Options {
  readonly workloads: readonly Workload[];
  readonly candidates: readonly (typeof CANDIDATES)[number][];
  readonly peer: PeerOptions | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly writers: number;
  readonly threads: number;
  readonly tmpfs: string;
  readonly disk: string;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly short: boolean;
}

function wrong(message: string): never {
  console.error(`${message}\n(npm run bench -- --help lists all options)`);
  process.exit(USAGE);
}

function parse() {
  const [text, list] = [{ type: "string" }, { type: "string", multiple: true }] as const;
  try {
    return parseArgs({
      options: {
        workload: list,
        candidate: list,
        rounds: text,
        seconds: text,
        peer: text,
        "peer-endpoint": text,
        "peer-data": text,
        writers: text,
        threads: text,
        tmpfs: text,
        disk: text,
        json: text,
        svg: text,
        short: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return wrong(Error.isError(error) ? error.message : String(error));
  }
}

function number(
  name: string,
  text: string | undefined,
  otherwise: number,
  most: number,
  least = 1,
): number {
  if (text === undefined) return otherwise;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= least && value <= most) || (least >= 1 && !Number.isInteger(value)))
    wrong(
      `--${name} is ${JSON.stringify(text)}, must be a ${least >= 1 ? "whole " : ""}number from ${least} to ${most}`,
    );
  return value;
}

function chosen<T extends string>(
  name: string,
  wanted: readonly string[] | undefined,
  known: readonly T[],
): T[] {
  const unknown = wanted?.find((each) => !known.includes(each as T));
  if (unknown !== undefined)
    wrong(`--${name} is ${JSON.stringify(unknown)}, must be one of ${known.join(", ")}`);
  return known.filter((each) => wanted?.includes(each) ?? true);
}

function peerOf(values: ReturnType<typeof parse>): PeerOptions | undefined {
  const { peer: command, "peer-endpoint": endpoint, "peer-data": data } = values;
  if (command === undefined) {
    if (endpoint !== undefined || data !== undefined)
      wrong("--peer-endpoint and --peer-data need --peer");
    return undefined;
  }
  if (endpoint === undefined || !LOOPBACK.test(endpoint))
    wrong(
      "--peer needs --peer-endpoint with an address of this machine, such as tcp://127.0.0.1:5555",
    );
  return { command, endpoint, data };
}

/** Reads the command line. Ends the process if it is wrong or asks for help. */
export function readOptions(): Options {
  const values = parse();
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  const names = chosen(
    "workload",
    values.workload,
    WORKLOADS.map(({ name }) => name),
  );
  const { short } = values;
  return {
    workloads: WORKLOADS.filter(({ name }) => names.includes(name)),
    candidates:
      values.candidate === undefined
        ? DEFAULT_CANDIDATES
        : chosen("candidate", values.candidate, CANDIDATES),
    peer: peerOf(values),
    rounds: number("rounds", values.rounds, short ? 1 : ROUNDS, ROUNDS_MAX),
    seconds: number("seconds", values.seconds, short ? SECONDS_SHORT : SECONDS, SECONDS_MAX, 0.05),
    writers: number("writers", values.writers, WRITERS, WRITERS_MAX),
    threads: number(
      "threads",
      values.threads,
      Math.max(1, Math.floor(cpus().length / CORES_PER_THREAD)),
      THREADS_MAX,
    ),
    tmpfs:
      values.tmpfs ??
      (existsSync("/dev/shm") ? "/dev/shm" : wrong("There is no /dev/shm: --tmpfs DIR is needed")),
    disk: values.disk ?? join(CHECKOUT, ".cache/bench"),
    json: values.json,
    svg: values.svg,
    short,
  };
}
