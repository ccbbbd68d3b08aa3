/**
 * Compiles an executable from the Bun runtime, the hub's threads, and the libzmq of the
 * architecture. The condition `libzmq-linux-…` of package.json chooses the latter.
 *
 * @module
 */

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "./lib/available.ts";

/** The architectures that executables are built for. */
export const ARCHITECTURES = ["arm64", "x64"] as const;

/** An architecture, as Node.js and Bun call it. */
export type Architecture = (typeof ARCHITECTURES)[number];

const SOURCE = join(CHECKOUT, "src");
const THREADS = join(SOURCE, "threads");

/** What to compile, and where to. */
export interface ExecutableOptions {
  readonly architecture: Architecture;
  readonly outfile: string;
  /** The commit that `--version` shows. */
  readonly commit: string;
  /**
   * When the commit was made, in seconds since 1970. A correct clock shows at least this. Default:
   * unknown.
   */
  readonly committedS?: number;
  /** The program; default `src/main.ts`. */
  readonly entry?: string;
}

/** Writes the executable to `outfile`. @throws {AggregateError} with the compiler's messages */
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
    // The first one is the program. It starts the others as workers, by these paths.
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
    splitting: true,
    format: "esm",
    compile: {
      target: `bun-linux-${architecture}` as Bun.Build.CompileTarget,
      outfile,
      // The hub reads only the settings it is given, not files that happen to be in its directory.
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  });
}
