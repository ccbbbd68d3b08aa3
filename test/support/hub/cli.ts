/**
 * Runs the program as from a command line.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT, executable, type Program } from "../../../scripts/lib/available.ts";

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
  /** What is run, which needs no emulator; default `source`. */
  readonly program?: Program;
}

/** The environment of a run. Nothing of this machine's environment configures the program. */
function cliEnvironment({ home, env }: CliOptions): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: home, TZ: "UTC", ...env };
}

/** Starts the program. */
export function startCli(
  args: readonly string[],
  options: CliOptions,
): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const { home, program = "source" } = options;
  mkdirSync(home, { recursive: true });
  const command =
    program === "source"
      ? [process.execPath, join(CHECKOUT, "src/main.ts")]
      : [executable(program)];
  return Bun.spawn([...command, ...args], {
    cwd: home,
    env: cliEnvironment(options),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: BOUND_MS,
    killSignal: "SIGKILL",
  });
}

/** Runs the program and waits for its end. */
export async function runCli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  await using child = startCli(args, options);
  const [stdout, stderr, status] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}
