/**
 * Runs the load (`load.c`) in its own process.
 *
 * @module
 */

import { z } from "zod";
import { atExit } from "../lib/at-exit.ts";

/**
 * How much longer than its measured time the load may run, in milliseconds. It normally ends
 * earlier.
 */
const GRACE_MS = 60_000;

const resultSchema = z.object({
  /** Requests answered `OK`, in total. */
  ok: z.number(),
  /** Requests answered otherwise. */
  other: z.number(),
  unanswered: z.number(),
  /** Requests answered `OK` in the measured time. */
  measured: z.number(),
  /** The measured time. */
  seconds: z.number(),
  /** Times from request to answer, for answers in the measured time, in microseconds. */
  p50Us: z.number(),
  p99Us: z.number(),
  maxUs: z.number(),
  /** Processor time, in percent of one core. */
  cpuPercent: z.number(),
  /** Time of the first `OK`, in microseconds since 1970. */
  firstOkEpochUs: z.number(),
});

/** The load's own figures. */
export type LoadResult = Readonly<z.infer<typeof resultSchema>>;

/** The options of the load. */
export interface LoadOptions {
  readonly endpoint: string;
  readonly text: string;
  /** File with the second frame. */
  readonly payload: string;
  readonly senders: number;
  readonly talking?: number;
  /** Requests per second of each sender; 0: as fast as answers come. */
  readonly rate?: number;
  readonly warmup?: number;
  /** The measured time; 0: until `count` is reached. */
  readonly seconds?: number;
  readonly count: number;
  readonly threads?: number;
  readonly greet?: 0 | 1;
}

/** Called at the moments that the load reports. */
export interface LoadMoments {
  readonly connecting?: () => void;
  readonly measuring?: () => void;
  readonly measured?: () => void;
}

/** Runs the load to its end. @throws {Error} with its output if it failed */
export async function runLoad(
  program: string,
  options: LoadOptions,
  moments: LoadMoments = {},
): Promise<LoadResult> {
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = Bun.spawn([program, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: ((options.seconds ?? 0) + (options.warmup ?? 0)) * 1000 + GRACE_MS,
    killSignal: "SIGKILL",
  });
  const undo = atExit(() => child.kill("SIGKILL"));
  const problems = new Response(child.stderr).text();
  const decoder = new TextDecoder();
  let rest = "";
  let result: LoadResult | undefined;
  for await (const chunk of child.stdout) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("{")) result = resultSchema.parse(JSON.parse(line));
      else moments[line as keyof LoadMoments]?.();
    }
  }
  const status = await child.exited;
  undo();
  if (status !== 0 || result === undefined)
    throw new Error(
      `The load ended with ${child.signalCode ?? `status ${status}`}: ${(await problems).trim()}`,
    );
  return result;
}
