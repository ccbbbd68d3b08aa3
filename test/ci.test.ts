/**
 * What `.ci/run` does after the gate, with an `npm` that only says what it is asked to do.
 *
 * @module
 */

import { expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "../scripts/lib/available.ts";
import { tempDir } from "./support/machine/temp.ts";

const isRoot = process.getuid?.() === 0;

/**
 * Runs a copy of `.ci/run`. @param deployStatus the exit status of the deployment test
 * @param before words before the command
 */
function runCi(deployStatus: number, before: readonly string[] = []) {
  using temp = tempDir();
  const [npm, ciRun] = [join(temp.path, "npm"), join(temp.path, ".ci/run")];
  mkdirSync(join(temp.path, ".ci"));
  copyFileSync(join(CHECKOUT, ".ci/run"), ciRun);
  writeFileSync(
    npm,
    `#!/bin/sh\necho "npm $*"\ncase "$*" in *deploy-test*) exit ${deployStatus} ;; esac\n`,
  );
  // Others than its owner have to get at it, too.
  for (const path of [temp.path, npm, ciRun]) chmodSync(path, 0o755);
  const { exitCode, stdout } = Bun.spawnSync([...before, ciRun], {
    cwd: temp.path,
    env: { ...process.env, PATH: `${temp.path}:${process.env["PATH"] ?? ""}` },
  });
  return { exitCode, lines: stdout.toString().trimEnd().split("\n") };
}

// 124: `timeout` has ended it.
test.skipIf(!isRoot).each([0, 1, 124])(
  "the run of root ends with the deployment test and its exit status: %d",
  (status) => {
    expect(runCi(status)).toEqual({
      exitCode: status,
      lines: ["npm ci", "npm test", "npm run deploy-test -- --short"],
    });
  },
);

test("the run of another says at its end that the deployment test was left out", () => {
  const { exitCode, lines } = runCi(0, isRoot ? ["setpriv", "--reuid=65534", "--"] : []);
  expect(exitCode).toBe(0);
  expect(lines.slice(0, 2)).toEqual(["npm ci", "npm test"]);
  expect(lines.at(-3)).toContain("THE DEPLOYMENT TEST WAS LEFT OUT: ");
  expect(lines.join()).not.toContain("npm run deploy-test -- --short");
});
