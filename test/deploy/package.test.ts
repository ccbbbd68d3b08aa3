/**
 * `dist/imagehub`, packed and unpacked by the rules of the workstation's tool: all that the node
 * needs has to get there.
 *
 * @module
 */

import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { CHECKOUT, executable, lacks } from "../../scripts/lib/available.ts";
import { tempDir } from "../support/machine/temp.ts";
import { layOut } from "../../scripts/layout.ts";
import { component, pack, unpack } from "./package.ts";

/** It compresses and unpacks both executables. */
const BOUND_MS = 300_000;

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}

describe.skipIf(lacks("python", "x64", "arm64"))("the folder that is deployed", () => {
  test(
    "arrives with every file, right checksums and no modes",
    async () => {
      using temp = tempDir();
      const file = join(temp.path, "package.zip");
      const arrived = join(temp.path, "arrived");
      await pack(join(CHECKOUT, "dist"), file);
      await unpack(file, arrived);

      expect(filesIn(arrived)).toEqual(
        filesIn(join(CHECKOUT, "dist/imagehub"))
          .map((name) => `imagehub/${name}`)
          .toSorted(),
      );
      for (const name of component().required_files) expect(filesIn(arrived)).toContain(name);
      const check = Bun.spawnSync(["sha256sum", "--check", "--strict", "SHA256SUMS"], {
        cwd: join(arrived, "imagehub"),
      });
      expect(check.stdout.toString()).toBe("imagehub-linux-arm64: OK\nimagehub-linux-x64: OK\n");
      expect(statSync(join(arrived, "imagehub/imagehub-linux-x64")).mode & 0o111).toBe(0);
      expect(
        readFileSync(join(arrived, "imagehub/imagehub-linux-x64")).equals(
          readFileSync(executable("x64")),
        ),
      ).toBe(true);
    },
    BOUND_MS,
  );
});

test("the folder that is deployed is not packed without the executable for Pis, and is without that for PCs", async () => {
  using temp = tempDir();
  const built = join(temp.path, "dist");
  mkdirSync(built);
  for (const name of ["imagehub-linux-arm64", "imagehub-linux-x64"])
    writeFileSync(join(built, name), name);
  const folder = join(temp.path, "imagehub");
  await layOut(built, folder);
  const file = join(temp.path, "package.zip");
  expect(await pack(temp.path, file)).toContain("imagehub/ansible/roles/imagehub/tasks/main.yaml");
  rmSync(join(folder, "imagehub-linux-x64"));
  expect(await pack(temp.path, file)).toContain("imagehub/imagehub-linux-arm64");
  rmSync(join(folder, "imagehub-linux-arm64"));
  const refused = await pack(temp.path, file).catch((error: Error) => error.message);
  expect(refused).toEndWith("Required files not found: imagehub/imagehub-linux-arm64");
});
