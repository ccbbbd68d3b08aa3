/**
 * Runs the program from source, as from a command line.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "../../../scripts/lib/available.ts";

/** How long a run may take, in milliseconds. It only ends a test that would hang. */
const BOUND_MS = 60_000;

/** The result of a run. */
export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of a run. */
export interface CliOptions {
  /** The home directory and the current one; created if missing. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The environment of a run. Nothing of this machine's environment configures the program. */
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
