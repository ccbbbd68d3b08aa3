/**
 * The account of the deployment test: a line for each step.
 *
 * @module
 */

import type { Architecture } from "../../scripts/executable.ts";
import type { Play } from "./ansible.ts";

/** A step, and how it went. */
export interface Line {
  readonly step: string;
  /** The few words that tell it. */
  readonly printed: string;
  readonly seconds: number;
  readonly ok: boolean;
}

/** A step that did not give what it has to. */
export class StepError extends Error {
  override readonly name = "StepError";
}

/** @throws {StepError} Where something is not so. */
export function expect(isSo: boolean, what: string, shown: string): void {
  if (!isSo) throw new StepError(`${what}\n${shown}`);
}

/** The line of a text that holds something. */
export function lineWith(text: string, what: string): string {
  return (text.split("\n").find((line) => line.includes(what)) ?? "").trim();
}

/** How much is done and shown. */
export interface DeployOptions {
  /** Whether the outputs of Ansible are shown. */
  readonly verbose: boolean;
  /**
   * Whether only what an installation, an update, other settings and a broken version need is done.
   */
  readonly short: boolean;
  /** Of the nodes. */
  readonly architecture: Architecture;
}

/** The account of the steps. */
export class Account {
  readonly lines: Line[] = [];

  constructor(private readonly options: DeployOptions) {}

  /** Of the nodes. */
  get architecture(): Architecture {
    return this.options.architecture;
  }

  /** Does one. @throws {StepError} Where it failed: those after it begin where it ends. */
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

  /** Does one that the short form leaves out. */
  async longStep(name: string, act: () => Promise<string>): Promise<void> {
    if (!this.options.short) await this.step(name, act);
  }

  show(play: Play): void {
    if (this.options.verbose) console.log(play.output);
  }
}
