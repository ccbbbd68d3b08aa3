/**
 * A row of the table of faults. Each row is a file in `rows/` and a line in `rows.ts`.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { has, PARTS, type Program, remedy } from "../../scripts/lib/available.ts";

/** What a row may need on the machine, besides Python with pyzmq. */
type Need = "broker" | "root" | "strace" | "loop" | "watchers" | "network" | "compiler" | "store";

/** How to run a row. */
export interface Run {
  readonly program: Program;
  /** Few repetitions, as in `bun test`. */
  readonly short: boolean;
  /** Prints a line about progress. */
  readonly say: (line: string) => void;
}

/** The result of a row. */
export interface Outcome {
  /** What was measured, in one line. */
  readonly figure: string;
  /** What did not hold; empty if everything did. */
  readonly problems: readonly string[];
}

/** One row of the table. */
export interface Row {
  /** One word, for the command line. */
  readonly name: string;
  readonly cause: string;
  readonly mustHold: string;
  readonly needs: readonly Need[];
  readonly run: (run: Run) => Promise<Outcome>;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

const MET: Record<Need, () => boolean> = {
  broker: () => has("mqtt"),
  store: () => has("ceph"),
  root: isRoot,
  watchers: () => has("watchers"),
  compiler: () => has("bench"),
  strace: () => Bun.which("strace") !== null && isRoot(),
  network: () =>
    has("network") &&
    isRoot() &&
    Bun.spawnSync(["unshare", "--net", "true"], { stdout: "ignore", stderr: "ignore" }).success,
  loop: () =>
    isRoot() &&
    existsSync("/dev/loop-control") &&
    Bun.spawnSync(["unshare", "--mount", "true"], { stdout: "ignore", stderr: "ignore" }).success,
};

const REMEDIES: Record<Need, string> = {
  broker: remedy("mqtt"),
  store: remedy("ceph"),
  network: `root that may make network namespaces, and ${remedy("network")}`,
  watchers: remedy("watchers"),
  compiler: remedy("bench"),
  root: "root",
  strace: "root and strace",
  loop: "root and loop devices",
};

/** What a row needs but this machine lacks, and how to get it. */
export function missing(row: Row, program: Program): string[] {
  const needs = row.needs.filter((need) => !MET[need]()).map((need) => REMEDIES[need]);
  const parts = (["python", ...PARTS[program]] as const).filter((part) => !has(part)).map(remedy);
  return [...needs, ...parts];
}

/**
 * For `test.skipIf(lacksFor(row))`. @throws {Error} if something is missing and `CI=true`, where a
 * skipped test is a failure
 */
export function lacksFor(row: Row, program: Program): boolean {
  const what = missing(row, program).join("; ");
  if (what === "") return false;
  if (process.env["CI"] === "true")
    throw new Error(`Cannot run the row ${row.name}, missing: ${what}`);
  console.warn(`Skipping the row ${row.name}, missing: ${what}`);
  return true;
}
