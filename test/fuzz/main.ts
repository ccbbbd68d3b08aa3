/**
 * The long run of the fuzzers, `npm run fuzz`: each target for some time, with a table at the end.
 *
 * `npm run fuzz -- --help` lists targets and options. The exit status is 1 if anything failed; the
 * failure says how to repeat it. It is 2 for a wrong command line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { has, PARTS, PROGRAMS, type Program } from "../../scripts/lib/available.ts";
import { FuzzFailure, type FuzzProgress, type FuzzResult, type FuzzTarget } from "./target.ts";
import { TARGETS } from "./targets.ts";

/** How long each target runs by default, in seconds. */
const SECONDS = 60;

/** Seeds have 32 bits. */
const SEEDS = 2 ** 32;

/** Exit status for a wrong command line. */
const USAGE = 2;

const HELP = `Usage: npm run fuzz -- [options]

Options:
  --target T      a target from the list below; repeat for more; default: all that can run here
  --seconds N     seconds per target (default ${SECONDS}, or no limit with --iterations)
  --iterations N  maximum iterations per target
  --seed S        a whole number from 0 to ${SEEDS - 1} (default: a new one each time)
  --start N       the first iteration (default 0), to repeat a single one
  --hub JSON      settings of the hub that the frames go to, such as '{"ack": "synced"}'
  --help          show this

Targets:
${TARGETS.map(({ name, promise }) => `  ${name.padEnd(14)}  ${promise}`).join("\n")}
`;

function wrong(message: string): never {
  console.error(`${message}\n\n${HELP}`);
  process.exit(USAGE);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        target: { type: "string", multiple: true },
        seconds: { type: "string" },
        iterations: { type: "string" },
        seed: { type: "string" },
        start: { type: "string" },
        hub: { type: "string" },
        help: { type: "boolean" },
      },
    });
    return values;
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
}

function number(
  name: string,
  text: string,
  least: number,
  below = Number.MAX_SAFE_INTEGER,
): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= least && value < below))
    wrong(`--${name} is ${JSON.stringify(text)}, must be a number from ${least}`);
  return value;
}

function wholeNumber(name: string, text: string, below?: number): number {
  const value = number(name, text, 0, below);
  if (!Number.isInteger(value))
    wrong(`--${name} is ${JSON.stringify(text)}, must be a whole number`);
  return value;
}

/** What a target needs but this machine lacks. */
function lacking({ name }: FuzzTarget): boolean {
  const program: Program = PROGRAMS.find((each) => name === `frames-${each}`) ?? "source";
  const isOtherArch = /-(?:x64|arm64)$/.test(name) && !name.endsWith(`-${program}`);
  return isOtherArch || !PARTS[program].every((part) => has(part));
}

function chosen(names: readonly string[] | undefined): FuzzTarget[] {
  if (names === undefined) return TARGETS.filter((target) => !lacking(target));
  return names.map((name) => {
    const target = TARGETS.find((each) => each.name === name);
    if (target === undefined) return wrong(`There is no target ${JSON.stringify(name)}`);
    if (lacking(target)) return wrong(`The executable for ${name} cannot run here: npm run build`);
    return target;
  });
}

const options = readOptions();
if (options.help === true) {
  process.stdout.write(HELP);
  process.exit(0);
}
const seed =
  options.seed === undefined
    ? Math.floor(Math.random() * SEEDS)
    : wholeNumber("seed", options.seed, SEEDS);
const start = wholeNumber("start", options.start ?? "0");
const iterations =
  options.iterations === undefined ? undefined : wholeNumber("iterations", options.iterations);
const seconds =
  options.seconds === undefined
    ? iterations === undefined
      ? SECONDS
      : Number.POSITIVE_INFINITY
    : number("seconds", options.seconds, 0);

function readHub(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return { ...value };
  } catch {
    // Told below.
  }
  return wrong(`--hub is ${JSON.stringify(text)}, must be an object in JSON`);
}

const hub = readHub(options.hub ?? "{}");

/** The result of a target. */
interface Row {
  readonly name: string;
  readonly ms: number;
  readonly result: FuzzResult | undefined;
}

function showProgress(name: string, startedMs: number, progress: FuzzProgress): void {
  if (!process.stderr.isTTY) return;
  const elapsed = ((performance.now() - startedMs) / 1000).toFixed(0);
  process.stderr.write(`\r\u001b[K${name}: ${elapsed} s, ${progress.iterations} iterations`);
}

function listOf(result: FuzzResult): string {
  const outcomes = [...result.outcomes].toSorted(([, a], [, b]) => b - a);
  const lines = outcomes.map(([what, times]) => `    ${String(times).padStart(9)}  ${what}`);
  const figures = Object.entries(result.figures).map(([name, figure]) => `    ${name}: ${figure}`);
  return [...lines, ...figures].join("\n");
}

async function run(target: FuzzTarget): Promise<Row> {
  const { name } = target;
  const startedMs = performance.now();
  console.log(`${name}: seed ${seed}`);
  try {
    const result = await target.run({
      seed,
      start,
      seconds,
      hub,
      ...(iterations !== undefined && { iterations }),
      onProgress: (progress) => showProgress(name, startedMs, progress),
    });
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
    console.log(listOf(result));
    return { name, ms: result.ms, result };
  } catch (error) {
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
    console.error(error instanceof FuzzFailure ? error.message : error);
    return { name, ms: performance.now() - startedMs, result: undefined };
  }
}

const rows: Row[] = [];
for (const target of chosen(options.target)) rows.push(await run(target));

console.log(
  `\n${"target".padEnd(14)} ${"iterations".padStart(10)} ${"seconds".padStart(8)}  seed ${seed}`,
);
for (const { name, ms, result } of rows) {
  const done = result === undefined ? "" : String(result.iterations);
  const verdict = result === undefined ? "FAILED" : "ok";
  console.log(
    `${name.padEnd(14)} ${done.padStart(10)} ${(ms / 1000).toFixed(1).padStart(8)}  ${verdict}`,
  );
}
process.exit(rows.every(({ result }) => result !== undefined) ? 0 : 1);
