/**
 * Runs the load (`load.c`) in a process of its own.
 *
 * @module
 */

import { z } from "zod";
import { atExit } from "../lib/at-exit.ts";

/**
 * How much longer than its time the load may take, in milliseconds; it ends by itself before that.
 */
const GRACE_MS = 60_000;

const resultSchema = z.object({
  /** Answered `OK`, all in all. */
  ok: z.number(),
  /** Answered something else. */
  other: z.number(),
  unanswered: z.number(),
  /** Answered `OK` in the measured time. */
  measured: z.number(),
  /** The measured time. */
  seconds: z.number(),
  /** Of the answers in the measured time, from the request to its answer, in microseconds. */
  p50Us: z.number(),
  p99Us: z.number(),
  maxUs: z.number(),
  /** Of one core. */
  cpuPercent: z.number(),
  /** When the first `OK` came, in microseconds since 1970. */
  firstOkEpochUs: z.number(),
});

/** What the load says of itself. */
export type LoadResult = Readonly<z.infer<typeof resultSchema>>;

/** How it is run. */
export interface LoadOptions {
  readonly endpoint: string;
  readonly text: string;
  /** File with the second frame. */
  readonly payload: string;
  readonly senders: number;
  readonly talking?: number;
  /** Of each sender, a second; 0: as fast as the answers come. */
  readonly rate?: number;
  readonly warmup?: number;
  /** 0: until `count` is reached. */
  readonly seconds?: number;
  readonly count: number;
  readonly threads?: number;
  readonly greet?: 0 | 1;
}

/** What is done at the moments that the load names. */
export interface LoadMoments {
  readonly connecting?: () => void;
  readonly measuring?: () => void;
  readonly measured?: () => void;
}

/** Runs the load to its end. @throws {Error} with what it said, where it could not be run */
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
