/**
 * Takes a build from the workstation to the node: packs it by the rules of the site's tool, unpacks
 * it on the bastion, copies it to the node's staging area, and from there to its
 * `current_deployment`.
 *
 * @module
 */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { CHECKOUT, PYTHON } from "../../scripts/lib/available.ts";
import { type Container, run } from "./container.ts";

/** What the tool always leaves out. */
const EXCLUDED = (
  ".git __pycache__ .venv .vscode node_modules test_results .pytest_cache *.pyc *.pyo *.pyd .DS_Store *.bak *.tmp " +
  "*.log *-OLD.* .backup backup *.swp *.swo"
).split(" ");

const configSchema = z.strictObject({
  deployment: z.strictObject({ include_extensions: z.array(z.string()) }),
  components: z.tuple([
    z.strictObject({
      name: z.literal("imagehub"),
      description: z.string(),
      paths: z.array(z.string()),
      required_files: z.array(z.string()),
      ansible_playbook: z.string(),
    }),
  ]),
});

/** The component's entry for the workstation's tool. */
export function component(): {
  include_extensions: string[];
  paths: string[];
  required_files: string[];
} {
  const file = join(CHECKOUT, "deploy/deployment-config.yaml");
  const { deployment, components } = configSchema.parse(parse(readFileSync(file, "utf8")));
  const [{ paths, required_files }] = components;
  return { include_extensions: deployment.include_extensions, paths, required_files };
}

/**
 * Packs `project/imagehub`.
 *
 * @returns the names of the files in the package
 * @throws {Error} When a required file is missing
 */
export async function pack(project: string, file: string): Promise<string[]> {
  const stdin = JSON.stringify({ ...component(), exclude_patterns: EXCLUDED });
  const packed = await run([PYTHON, join(import.meta.dir, "pack.py"), project, file], { stdin });
  if (packed.status !== 0) throw new Error(`Cannot pack ${project}: ${packed.stderr.trim()}`);
  return packed.stdout.trim().split("\n");
}

/** Unpacks a package. @throws {Error} */
export async function unpack(file: string, folder: string): Promise<void> {
  const unpacked = await run([PYTHON, join(import.meta.dir, "pack.py"), "--unpack", file, folder]);
  if (unpacked.status !== 0) throw new Error(`Cannot unpack ${file}: ${unpacked.stderr.trim()}`);
}

/** Takes a build all the way. @returns the names of the packed files */
export async function bring(
  project: string,
  container: Container,
  scratch: string,
): Promise<string[]> {
  const file = join(scratch, "package.zip");
  const extracted = join(scratch, "extracted");
  rmSync(extracted, { recursive: true, force: true });
  mkdirSync(extracted);
  const names = await pack(project, file);
  await unpack(file, extracted);
  const home = `/home/${container.user}/sentinelcam`;
  const staging = `${home}/staging/incoming`;
  await container.ssh(`mkdir -p ${staging} ${home}/current_deployment/imagehub`);
  await container.rsync(extracted, staging);
  const integrated = await container.ssh(
    `rsync -az --checksum ${staging}/imagehub/ ${home}/current_deployment/imagehub/ && rm -rf ${staging}/*`,
  );
  if (integrated.status !== 0) throw new Error(`Cannot integrate the update: ${integrated.stderr}`);
  return names;
}
