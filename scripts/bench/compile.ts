/**
 * Compiles the C programs of the benchmark (the yardsticks and the load) into a temporary folder.
 *
 * They use the same libzmq as the hub: the addon of the `zeromq` package exports its whole C API.
 * That file also needs functions of Node.js, which are never called. They are replaced by stubs
 * that end the process. Only the header comes from Debian.
 *
 * @module
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { libzmqPath } from "../../src/zmq/addon.ts";
import { command } from "../lib/at-exit.ts";
import { has, remedy } from "../lib/available.ts";

/** The names of the programs; each is a file in this folder. */
const PROGRAMS = ["load", "yardstick", "yardstick-workers"] as const;

/** The paths of the compiled programs. */
export type Compiled = Readonly<Record<(typeof PROGRAMS)[number], string>>;

/** Symbols that the addon needs from Node.js. */
const FOREIGN = /^ +[Uw] ((?:napi|node|uv)_\w+)$/gm;

/**
 * Compiles all programs into a folder.
 *
 * @throws {Error} with what is missing and how to get it, or with the compiler's message
 */
export function compile(folder: string): Compiled {
  if (!has("bench"))
    throw new Error(`Cannot compile the load and the yardstick, missing: ${remedy("bench")}`);
  mkdirSync(folder, { recursive: true });
  const addon = libzmqPath();
  const undefinedSymbols = command("nm", "--dynamic", "--undefined-only", addon);
  const names = [...undefinedSymbols.matchAll(FOREIGN)].map(([, name]) => name);
  const stubs = join(folder, "node-stubs.c");
  writeFileSync(stubs, names.map((name) => `void ${name}(void) { __builtin_trap(); }\n`).join(""));
  // prettier-ignore
  const link = ["-L", dirname(addon), `-l:${basename(addon)}`, `-Wl,-rpath,${dirname(addon)}`, "-Wl,-z,lazy", "-pthread"];
  const programs = PROGRAMS.map((name) => {
    const source = join(import.meta.dir, `${name}.c`);
    const executable = join(folder, name);
    command(
      "gcc",
      "-std=gnu11",
      "-O2",
      "-Wall",
      "-Wno-unused-result",
      source,
      stubs,
      "-o",
      executable,
      ...link,
    );
    return [name, executable] as const;
  });
  return Object.fromEntries(programs) as Compiled;
}
