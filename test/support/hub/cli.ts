/**
 * Runs the program from source, as typed on a command line.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "../../../scripts/lib/available.ts";

/** How long a run may take, in milliseconds. It only bounds a test that would else hang. */
const BOUND_MS = 60_000;

/** How a run ended. */
export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Further settings of a run. */
export interface CliOptions {
  /** The home directory, and the current one; made where it is not there. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The environment of a run, in which nothing of the machine sets up the program. */
function cliEnvironment({ home, env }: CliOptions): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: home, TZ: "UTC", ...env };
}

/** Runs the program and waits for its end. */
export async function runCli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  mkdirSync(options.home, { recursive: true });
  await using child = Bun.spawn([process.execPath, join(CHECKOUT, "src/main.ts"), ...args], {
    cwd: options.home,
    env: cliEnvironment(options),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: BOUND_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, status] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}
