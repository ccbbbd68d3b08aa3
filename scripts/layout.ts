/**
 * Makes the folder that a workstation keeps beside its other components and deploys: the
 * executables, their checksums, the example settings, the unit, and the Ansible role.
 * `deploy/README.md`, which is included, explains the parts.
 *
 * @module
 */

import { constants, copyFileSync, cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "./lib/available.ts";

/** Files that are copied unchanged: path in the checkout, name in the folder. */
const PARTS = [
  ["imagehub.yaml", "imagehub.yaml"],
  ["deploy/imagehub.service", "imagehub.service"],
  ["deploy/README.md", "README.md"],
  ["deploy/deployment-config.yaml", "deployment-config.yaml"],
  ["deploy/ansible/roles", "ansible/roles"],
  ["deploy/ansible/playbooks", "ansible/playbooks"],
] as const;

function executables(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^imagehub-linux-[a-z0-9]+$/.test(name))
    .toSorted();
}

/** Writes `SHA256SUMS`. `sha256sum -c SHA256SUMS` checks the executables beside it. */
export async function writeSums(folder: string): Promise<void> {
  const lines: string[] = [];
  for (const name of executables(folder)) {
    const bytes = await Bun.file(join(folder, name)).bytes();
    lines.push(`${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}  ${name}\n`);
  }
  await Bun.write(join(folder, "SHA256SUMS"), lines.join(""));
}

/** Makes `folder` anew from the executables and checksums in `built`, and the checkout. */
export async function layOut(built: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of executables(built)) {
    copyFileSync(join(built, name), join(folder, name), constants.COPYFILE_FICLONE);
  }
  for (const [from, to] of PARTS)
    cpSync(join(CHECKOUT, from), join(folder, to), { recursive: true });
  await writeSums(folder);
}
