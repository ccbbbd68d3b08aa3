/**
 * Builds the executables `dist/imagehub-linux-arm64` and `dist/imagehub-linux-x64` and their
 * `dist/SHA256SUMS`. Then makes `dist/imagehub`, the folder to deploy (`layout.ts`). With
 * architectures on the command line, builds only those and removes the others.
 *
 * @module
 */

import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { CHECKOUT } from "./lib/available.ts";
import { ARCHITECTURES, buildExecutable } from "./executable.ts";
import { layOut, writeSums } from "./layout.ts";

const DIST = join(CHECKOUT, "dist");

/** The output of a git command; undefined if git fails here. */
function ask(...words: readonly string[]): string | undefined {
  const git = Bun.spawnSync(["git", ...words], { cwd: CHECKOUT });
  return git.success ? git.stdout.toString().trim() : undefined;
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(ARCHITECTURES as readonly string[]).includes(name));
if (unknown !== undefined) {
  console.error(`Cannot build for ${unknown}: must be ${ARCHITECTURES.join(" or ")}`);
  process.exit(64);
}
// The checked-out commit, marked if the working tree differs from it.
const commit = ask("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*") ?? "unknown";
const committedS = Number(ask("log", "-1", "--format=%ct") ?? 0);
console.log(`imagehub ${packageJson.version}, commit ${commit}`);
mkdirSync(DIST, { recursive: true });
for (const architecture of ARCHITECTURES) {
  const outfile = join(DIST, `imagehub-linux-${architecture}`);
  // An old executable must not be deployed beside the new one.
  rmSync(outfile, { force: true });
  if (wanted.length > 0 && !wanted.includes(architecture)) continue;
  const started = performance.now();
  await buildExecutable({ architecture, outfile, commit, committedS });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${outfile}: ${(statSync(outfile).size / 1e6).toFixed(1)} MB in ${seconds} s`);
}
await writeSums(DIST);
await layOut(DIST, join(DIST, "imagehub"));
