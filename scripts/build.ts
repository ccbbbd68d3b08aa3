/**
 * Builds the executables: `dist/imagehub-linux-arm64`, `dist/imagehub-linux-x64` and `dist/SHA256SUMS`.
 *
 * Each carries the Bun runtime, the hub's threads, and the libzmq of its own architecture, which the condition
 * `libzmq-linux-…` of package.json chooses. Names of architectures on the command line build just those.
 *
 * @module
 */

import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import packageJson from "../package.json" with { type: "json" };

const ARCHITECTURES = ["arm64", "x64"] as const;
const ROOT = resolve(import.meta.dir, "..");
const DIST = join(ROOT, "dist");
const THREADS = join(ROOT, "src", "threads");

/** The commit that is checked out, marked where the working tree differs from it. */
function commit(): string {
  const git = Bun.spawnSync(["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"], {
    cwd: ROOT,
  });
  return git.success ? git.stdout.toString().trim() : "unknown";
}

async function build(architecture: string): Promise<void> {
  const started = performance.now();
  const outfile = join(DIST, `imagehub-linux-${architecture}`);
  rmSync(outfile, { force: true });
  await Bun.build({
    // The first is the program, and the others are started by it as workers, by these paths.
    entrypoints: [
      join(ROOT, "src", "main.ts"),
      ...readdirSync(THREADS)
        .filter((name) => name.endsWith("-thread.ts"))
        .map((name) => join(THREADS, name)),
    ],
    root: join(ROOT, "src"),
    conditions: [`libzmq-linux-${architecture}`],
    define: { IMAGEHUB_COMMIT: JSON.stringify(commit()) },
    minify: true,
    bytecode: true,
    format: "esm",
    compile: {
      target: `bun-linux-${architecture}` as Bun.Build.CompileTarget,
      outfile,
      // The hub reads the settings it names, and nothing that happens to lie in the directory it is started in.
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${outfile}: ${(statSync(outfile).size / 1e6).toFixed(1)} MB in ${seconds} s`);
}

/** `sha256sum -c SHA256SUMS` checks the executables that lie beside it. */
async function writeSums(): Promise<void> {
  const lines: string[] = [];
  for (const name of readdirSync(DIST)
    .filter((file) => /^imagehub-linux-[a-z0-9]+$/.test(file))
    .toSorted()) {
    const hash = new Bun.CryptoHasher("sha256")
      .update(await Bun.file(join(DIST, name)).bytes())
      .digest("hex");
    lines.push(`${hash}  ${name}\n`);
  }
  await Bun.write(join(DIST, "SHA256SUMS"), lines.join(""));
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(ARCHITECTURES as readonly string[]).includes(name));
if (unknown !== undefined) {
  console.error(`Cannot build for ${unknown}: must be ${ARCHITECTURES.join(" or ")}`);
  process.exit(64);
}
console.log(`imagehub ${packageJson.version}, commit ${commit()}`);
mkdirSync(DIST, { recursive: true });
for (const architecture of wanted.length > 0 ? wanted : ARCHITECTURES) await build(architecture);
await writeSums();
