/**
 * The one gate, `npm test`: what the tests need; then format, lint, types, dead code and the
 * executables, beside each other; then the tests, several files at a time. A step that fails ends
 * it, with the exit status of what failed first in this order.
 *
 * `npm test -- test/store/names.test.ts` runs only the tests named (any arguments of `bun test`),
 * after a look at what they need; end-to-end tests then drive the executables as they were last
 * built.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { CHECKOUT } from "./lib/available.ts";

interface Step {
  readonly name: string;
  readonly command: readonly string[];
}

function tool(name: string): string {
  return join(CHECKOUT, "node_modules/.bin", name);
}

const bun = tool("bun");
const dependencies: Step = { name: "test-deps", command: [bun, "scripts/test-deps.ts"] };
const checks: readonly Step[] = [
  { name: "format", command: [tool("prettier"), "--check", "."] },
  {
    name: "lint",
    command: [tool("oxlint"), "--type-aware", "--deny-warnings", "src", "test", "scripts"],
  },
  { name: "types", command: [tool("tsc")] },
  { name: "types of the page", command: [tool("tsc"), "--noEmit", "-p", "src/page"] },
  { name: "unused", command: [tool("knip")] },
  { name: "build", command: [bun, "scripts/build.ts"] },
];

/** How many test files run at a time. Most tests wait more than they work. */
const FILES_AT_A_TIME = availableParallelism() + 2;

/** How long a test may take that says nothing else: this only ends one that hangs. */
const TEST_MS_MAX = 120_000;

/** How long each file took last, so that the longest are begun first. */
const TIMINGS = join(CHECKOUT, ".cache/test-timings.json");

// A pipe would take the colours off.
const env = process.stderr.isTTY ? { ...process.env, FORCE_COLOR: "1" } : process.env;

function report(name: string, status: number, startedMs: number): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  if (status === 0) console.log(`gate: ${name}: ok (${seconds} s)`);
  else console.error(`gate: ${name}: FAILED with exit status ${status} (${seconds} s)`);
}

/** Runs a step, and shows its output as it comes. @returns its exit status */
async function run({ name, command }: Step): Promise<number> {
  console.log(`\ngate: ${name}`);
  const startedMs = performance.now();
  const child = Bun.spawn([...command], { cwd: CHECKOUT, stdio: ["ignore", "inherit", "inherit"] });
  const status = await child.exited;
  report(name, status, startedMs);
  return status;
}

/** Runs a step beside others, and shows its output when it has ended. @returns its exit status */
async function runBeside({ name, command }: Step): Promise<number> {
  const startedMs = performance.now();
  const child = Bun.spawn([...command], { cwd: CHECKOUT, env, stdio: ["ignore", "pipe", "pipe"] });
  const output = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const status = await child.exited;
  // In one go, so that another step's output never comes between.
  console.log(`\ngate: ${name}\n${output.join("").trimEnd()}`);
  report(name, status, startedMs);
  return status;
}

/** What `bun test` says at its end: how many tests did what, and the names of those it left out. */
interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly leftOut: number;
  readonly namesLeftOut: readonly string[];
}

/**
 * Reads the closing lines of `bun test` (` 12 pass`, ` 1 skip`, ` 1 todo`, ` 0 fail`) and its
 * `(skip) name` lines.
 */
function summaryOf(output: string): Summary {
  const lines = Bun.stripANSI(output).split("\n");
  const last = (word: string): number => {
    const counts = lines.flatMap(
      (line) => new RegExp(String.raw`^ *(\d+) ${word}$`, "u").exec(line)?.[1] ?? [],
    );
    return Number(counts.at(-1) ?? 0);
  };
  return {
    passed: last("pass"),
    failed: last("fail"),
    leftOut: last("skip") + last("todo"),
    namesLeftOut: lines.flatMap((line) => /^[(](?:skip|todo)[)] (.*)$/u.exec(line)?.[1] ?? []),
  };
}

/**
 * Runs `bun test`, shows its output as it comes, and ends with one plain line of counts. @returns
 * its exit status
 */
async function test(args: readonly string[]): Promise<number> {
  console.log("\ngate: test");
  const startedMs = performance.now();
  const child = Bun.spawn([bun, "test", `--timeout=${TEST_MS_MAX}`, ...args], {
    cwd: CHECKOUT,
    env,
    stdio: ["ignore", "inherit", "pipe"],
  });
  const decoder = new TextDecoder();
  let output = "";
  for await (const chunk of child.stderr) {
    await Bun.write(Bun.stderr, chunk);
    output += decoder.decode(chunk, { stream: true });
  }
  let status = await child.exited;

  const { passed, failed, leftOut, namesLeftOut } = summaryOf(output);
  if (status === 0 && leftOut > 0 && process.env["CI"] === "true") {
    console.error(`gate: with CI=true no test may be left out, and ${leftOut} were:`);
    for (const name of namesLeftOut) console.error(`  ${name}`);
    status = 1;
  }
  // A run that found no test at all has proved nothing.
  if (status === 0 && passed === 0) status = 1;
  report("test", status, startedMs);
  console.log(`${passed} passed, ${failed} failed, ${leftOut} skipped`);
  return status;
}

/** Ends the gate where a step has failed. */
function endAt(statuses: readonly number[]): void {
  const failed = statuses.find((status) => status !== 0);
  if (failed !== undefined) process.exit(failed);
}

const args = process.argv.slice(2);
endAt([await run(dependencies)]);
if (args.length > 0) {
  endAt([await test(args)]);
} else {
  endAt(await Promise.all(checks.map(runBeside)));
  endAt([
    await test([`--parallel=${FILES_AT_A_TIME}`, `--timings=${TIMINGS}`, "--update-timings"]),
  ]);
}
