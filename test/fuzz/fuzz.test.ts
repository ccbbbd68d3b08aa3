/**
 * The fuzzers with a fixed seed and few iterations: checks that they still work and see the
 * expected outcomes. `npm run fuzz` is the long run.
 *
 * @module
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { framesTarget } from "./frames.ts";
import { namesTarget } from "./names.ts";
import { FuzzFailure, functionTarget, must, type FuzzTarget } from "./target.ts";
import { TARGETS } from "./targets.ts";
import { textsTarget } from "./texts.ts";
import { yamlTarget } from "./yaml.ts";

// Only so that nothing hangs for ever.
setDefaultTimeout(120_000);

const SEED = 20_181_230;

/**
 * Targets that need no hub, their iterations, and the outcomes that must all occur: a fuzzer whose
 * inputs are never accepted shows nothing.
 */
const smoke: [name: string, target: FuzzTarget, iterations: number, outcomes: string[]][] = [
  [
    "texts",
    textsTarget,
    40_000,
    [
      "event",
      "heartbeat",
      "image",
      "raw image",
      "raw image of 16 bits",
      "test",
      "unlabelled",
      "refused: array",
      "refused: image",
      "refused: json",
      "refused: msg",
      "refused: text",
    ],
  ],
  ["names", namesTarget, 20_000, ["cut", "kept", "made safe", "unnamed"]],
  [
    "yaml",
    yamlTarget,
    2000,
    [
      "defaults",
      "settings",
      "refused: 1 problem",
      "refused: more problems",
      "refused: not YAML",
      "refused: not read",
    ],
  ],
];
test.each(smoke)(
  "what fuzzes %s finds nothing when its seed is fixed",
  async (_, target, iterations, outcomes) => {
    const result = await target.run({ seed: SEED, iterations });
    expect(result.iterations).toBe(iterations);
    expect([...result.outcomes.keys()].toSorted()).toEqual(outcomes.toSorted());
  },
);

test("what fuzzes frames finds nothing when its seed is fixed", async () => {
  const { iterations, outcomes, figures } = await framesTarget("source").run({
    seed: SEED,
    iterations: 1500,
  });
  expect(iterations).toBe(1500);
  expect(outcomes.get("answered OK")).toBeGreaterThan(500);
  expect(outcomes.get("answered ERROR")).toBeGreaterThan(500);
  expect(figures["good sender"]).toMatch(/^(\d+) OK of \1,/);
});

const fails = functionTarget({
  name: "fails",
  promise: "fails at its first even input",
  generate: (random) => random.next(),
  check: (input) => {
    must(input % 2 === 1, `${input} is even`);
    return "odd";
  },
  show: String,
});

async function failure(start?: number): Promise<FuzzFailure> {
  try {
    await fails.run({ seed: 7, iterations: 1000, ...(start !== undefined && { start }) });
  } catch (error) {
    if (error instanceof FuzzFailure) return error;
    throw error;
  }
  throw new Error("It did not fail");
}

test("run tells seed, iteration and input when something does not hold, and repeats it alone", async () => {
  const first = await failure();
  expect(first.message).toContain(`fails failed: Error: ${first.input} is even`);
  expect(first.message).toContain("seed:      7\n");
  expect(first.message).toContain(`input:     ${first.input}\n`);
  expect(first.message).toContain(
    `--target fails --seed 7 --start ${first.iteration} --iterations 1`,
  );
  const again = await failure(first.iteration);
  expect([again.iteration, again.input]).toEqual([first.iteration, first.input]);
});

test("run is bounded in time when it has no other bound", async () => {
  const { ms, iterations } = await namesTarget.run({ seed: SEED, seconds: 0.1 });
  expect(iterations).toBeGreaterThan(0);
  expect(ms).toBeLessThan(10_000);
});

test("TARGETS have a name and a promise each", () => {
  expect(new Set(TARGETS.map(({ name }) => name)).size).toBe(TARGETS.length);
  for (const { promise } of TARGETS) expect(promise).toMatch(/^\S.*[^.]$/);
});
