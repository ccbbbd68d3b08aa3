/**
 * The report of the deployment test: one line per step.
 *
 * @module
 */

import type { Architecture } from "../../scripts/executable.ts";
import type { Play } from "./ansible.ts";

/** A step and its result. */
export interface Line {
  readonly step: string;
  /** A short description of the result. */
  readonly printed: string;
  readonly seconds: number;
  readonly ok: boolean;
}

/** A step whose result is wrong. */
export class StepError extends Error {
  override readonly name = "StepError";
}

/** @throws {StepError} if a condition does not hold */
export function expect(isSo: boolean, what: string, shown: string): void {
  if (!isSo) throw new StepError(`${what}\n${shown}`);
}

/** The line of a text that contains `what`. */
export function lineWith(text: string, what: string): string {
  return (text.split("\n").find((line) => line.includes(what)) ?? "").trim();
}

/** How much to do and to show. */
export interface DeployOptions {
  /** Whether to show Ansible's output. */
  readonly verbose: boolean;
  /**
   * Whether to do only what belongs to an installation, an update, other settings and a broken
   * version.
   */
  readonly short: boolean;
  /** The architecture of the nodes. */
  readonly architecture: Architecture;
}

/** The report of the steps. */
export class Account {
  readonly lines: Line[] = [];

  constructor(private readonly options: DeployOptions) {}

  /** The architecture of the nodes. */
  get architecture(): Architecture {
    return this.options.architecture;
  }

  /** Does a step. @throws {StepError} if it fails: later steps depend on it */
  async step(name: string, act: () => Promise<string>): Promise<void> {
    const started = performance.now();
    const seconds = (): number => Math.round((performance.now() - started) / 100) / 10;
    try {
      const printed = await act();
      this.lines.push({ step: name, printed, seconds: seconds(), ok: true });
      console.log(`ok: ${name} (${seconds()} s): ${printed}`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.lines.push({
        step: name,
        printed: message.split("\n", 1)[0] ?? "",
        seconds: seconds(),
        ok: false,
      });
      console.error(`FAILED: ${name} (${seconds()} s): ${message}`);
      throw error instanceof StepError ? error : new StepError(message, { cause: error });
    }
  }

  /** Does a step that the short form skips. */
  async longStep(name: string, act: () => Promise<string>): Promise<void> {
    if (!this.options.short) await this.step(name, act);
  }

  show(play: Play): void {
    if (this.options.verbose) console.log(play.output);
  }
}
