import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "../scripts/lib/available.ts";
import { tempDir } from "./support/machine/temp.ts";

test("the gate says at its end that the deployment test was left out", () => {
  using temp = tempDir();
  const npm = join(temp.path, "npm");
  // As `timeout` ends it. Who is not root leaves the test out from the start.
  writeFileSync(npm, '#!/bin/sh\ncase "$*" in *deploy-test*) exit 124 ;; esac\n');
  chmodSync(npm, 0o755);
  const { exitCode, stdout } = Bun.spawnSync([join(CHECKOUT, ".ci/run")], {
    env: { ...process.env, PATH: `${temp.path}:${process.env["PATH"] ?? ""}` },
  });
  expect(exitCode).toBe(0);
  expect(stdout.toString().trimEnd().split("\n").at(-3)).toContain(
    "THE DEPLOYMENT TEST WAS LEFT OUT: ",
  );
});
