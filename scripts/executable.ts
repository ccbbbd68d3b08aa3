/**
 * Compiles one executable: the Bun runtime, the hub's threads, and the libzmq of its architecture,
 * which the condition `libzmq-linux-…` of package.json chooses.
 *
 * @module
 */

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "./lib/available.ts";

/** What executables are built for. */
export const ARCHITECTURES = ["arm64", "x64"] as const;

/** One of them, as Node.js and Bun call it. */
export type Architecture = (typeof ARCHITECTURES)[number];

const SOURCE = join(CHECKOUT, "src");
const THREADS = join(SOURCE, "threads");

/** What is compiled, and where to. */
export interface ExecutableOptions {
  readonly architecture: Architecture;
  readonly outfile: string;
  /** What `--version` says it was built from. */
  readonly commit: string;
  /**
   * When that was committed, in seconds since 1970: no right clock shows less. Default: nobody
   * knows.
   */
  readonly committedS?: number;
  /** The program; default `src/main.ts`. */
  readonly entry?: string;
}

/** Writes the executable to `outfile`. @throws {AggregateError} What the compiler has to say. */
export async function buildExecutable(options: ExecutableOptions): Promise<void> {
  const {
    architecture,
    outfile,
    commit,
    committedS = 0,
    entry = join(SOURCE, "main.ts"),
  } = options;
  rmSync(outfile, { force: true });
  await Bun.build({
    // The first is the program, and the others are started by it as workers, by these paths.
    entrypoints: [
      entry,
      ...readdirSync(THREADS)
        .filter((name) => name.endsWith("-thread.ts"))
        .map((name) => join(THREADS, name)),
    ],
    root: SOURCE,
    conditions: [`libzmq-linux-${architecture}`],
    define: { IMAGEHUB_COMMIT: JSON.stringify(commit), IMAGEHUB_COMMITTED_S: String(committedS) },
    minify: true,
    bytecode: true,
    format: "esm",
    compile: {
      target: `bun-linux-${architecture}` as Bun.Build.CompileTarget,
      outfile,
      // The hub reads the settings it names, and nothing that happens to lie in the directory it is
      // started in.
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  });
}
