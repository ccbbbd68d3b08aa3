/**
 * The one gate, `npm test`: what the tests need, format, lint, types, dead code, the executables,
 * the tests. The first step that fails ends it, with that step's exit status.
 *
 * `npm test -- test/store/names.test.ts` runs only the tests named (any arguments of `bun test`),
 * after a look at what they need; end-to-end tests then drive the executables as they were last
 * built.
 *
 * @module
 */

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
  { name: "unused", command: [tool("knip")] },
  { name: "build", command: [bun, "scripts/build.ts"] },
];

/** Says how a step ended; ends the gate where it failed. */
function report(name: string, status: number, startedMs: number): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  if (status === 0) {
    console.log(`gate: ${name}: ok (${seconds} s)`);
    return;
  }
  console.error(`gate: ${name}: FAILED with exit status ${status} (${seconds} s)`);
  process.exit(status);
}

async function run(step: Step): Promise<void> {
  console.log(`\ngate: ${step.name}`);
  const startedMs = performance.now();
  const child = Bun.spawn([...step.command], {
    cwd: CHECKOUT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  report(step.name, await child.exited, startedMs);
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

/** Runs `bun test`, shows its output as it comes, and ends with one plain line of counts. */
async function test(args: readonly string[]): Promise<void> {
  console.log("\ngate: test");
  const startedMs = performance.now();
  const child = Bun.spawn([bun, "test", ...args], {
    cwd: CHECKOUT,
    // A pipe would take the colours off.
    env: process.stderr.isTTY ? { ...process.env, FORCE_COLOR: "1" } : process.env,
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
  process.on("exit", () => {
    console.log(`${passed} passed, ${failed} failed, ${leftOut} skipped`);
  });
  report("test", status, startedMs);
}

const testArgs = process.argv.slice(2);
await run(dependencies);
if (testArgs.length === 0) {
  for (const step of checks) await run(step);
}
await test(testArgs);
