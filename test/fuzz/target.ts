/**
 * What all fuzzers share: how to run and count, and how to report a failure so that it can be
 * repeated.
 *
 * @module
 */

import { Random } from "./random.ts";

/** How long a target runs, and from where. It ends at the first limit, or the first failure. */
export interface FuzzOptions {
  readonly seed: number;
  /** The first iteration; default 0. */
  readonly start?: number;
  readonly iterations?: number;
  readonly seconds?: number;
  /** Settings of the hub, for targets that start one. */
  readonly hub?: Readonly<Record<string, unknown>>;
  /** Called about once a second. */
  readonly onProgress?: (progress: FuzzProgress) => void;
}

/** The progress of a target. */
export interface FuzzProgress {
  readonly iterations: number;
  /** Counts of the outcomes. */
  readonly outcomes: ReadonlyMap<string, number>;
}

/** The result of a target without a failure. */
export interface FuzzResult extends FuzzProgress {
  readonly ms: number;
  /** Further figures, by name. */
  readonly figures: Readonly<Record<string, string>>;
}

/** A fuzzer. */
export interface FuzzTarget {
  readonly name: string;
  /** What must hold, in one line. */
  readonly promise: string;
  /** @throws {FuzzFailure} */
  run(options: FuzzOptions): Promise<FuzzResult>;
}

/** Something did not hold. The message has everything needed to repeat it. */
export class FuzzFailure extends Error {
  override readonly name = "FuzzFailure";

  constructor(
    target: string,
    readonly seed: number,
    readonly iteration: number | undefined,
    readonly input: string,
    cause: unknown,
  ) {
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    const from = iteration === undefined ? "" : ` --start ${iteration} --iterations 1`;
    super(
      [
        `${target} failed: ${reason}`,
        `  seed:      ${seed}`,
        ...(iteration === undefined ? [] : [`  iteration: ${iteration}`]),
        ...(input === "" ? [] : [`  input:     ${input}`]),
        `  repeat:    npm run fuzz -- --target ${target} --seed ${seed}${from}`,
      ].join("\n"),
      { cause },
    );
  }
}

/** Throws with `what` if `holds` is false. */
export function must(holds: boolean, wrong: string): asserts holds {
  if (!holds) throw new Error(wrong);
}

/** A function under test: makes an input, calls the function, and checks the result. */
interface FunctionTarget<T> {
  readonly name: string;
  readonly promise: string;
  readonly generate: (random: Random) => T;
  /** @returns the kind of outcome @throws {Error} if something does not hold */
  readonly check: (input: T) => string;
  /** The input as text from which it can be made again. */
  readonly show: (input: T) => string;
}

/** How often to check the clock, in iterations. */
const CLOCK_EVERY = 64;

/** Makes a target from a function. */
export function functionTarget<T>(parts: FunctionTarget<T>): FuzzTarget {
  return {
    name: parts.name,
    promise: parts.promise,
    run: async (options) => await runFunction(parts, options),
  };
}

async function runFunction<T>(parts: FunctionTarget<T>, options: FuzzOptions): Promise<FuzzResult> {
  const { name, generate, check, show } = parts;
  const {
    seed,
    start = 0,
    iterations = Number.POSITIVE_INFINITY,
    seconds = Number.POSITIVE_INFINITY,
  } = options;
  const outcomes = new Map<string, number>();
  const startedMs = performance.now();
  let saidMs = startedMs;
  let slowestMs = 0;
  let slowest = start;
  let done = 0;
  for (; done < iterations; done += 1) {
    if (done % CLOCK_EVERY === 0) {
      const now = performance.now();
      if (now - startedMs >= seconds * 1000) break;
      if (now - saidMs >= 1000) {
        saidMs = now;
        options.onProgress?.({ iterations: done, outcomes });
        await Bun.sleep(0);
      }
    }
    const iteration = start + done;
    const input = generate(Random.at(seed, iteration));
    const beganMs = performance.now();
    try {
      count(outcomes, check(input));
    } catch (error) {
      throw new FuzzFailure(name, seed, iteration, show(input), error);
    }
    const tookMs = performance.now() - beganMs;
    if (tookMs > slowestMs) [slowestMs, slowest] = [tookMs, iteration];
  }
  const figures = { slowest: `${slowestMs.toFixed(1)} ms (iteration ${slowest})` };
  return { iterations: done, outcomes, ms: performance.now() - startedMs, figures };
}

/** Adds one to a count. */
export function count(counts: Map<string, number>, what: string, times = 1): void {
  counts.set(what, (counts.get(what) ?? 0) + times);
}

/**
 * A line break, or what some reader takes for one: all control characters and both separators of
 * Unicode.
 */
const BREAKS_LINE = /[\p{Cc}\u2028\u2029]/u;

/** Throws if a text is not on one line, or contains half a character. */
export function mustBeOneLine(text: string, what: string): void {
  must(!BREAKS_LINE.test(text), `${what} is not on one line: ${JSON.stringify(text)}`);
  must(text.isWellFormed(), `${what} holds half a character: ${JSON.stringify(text)}`);
}
