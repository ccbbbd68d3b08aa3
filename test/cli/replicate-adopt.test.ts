import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { runCli } from "../support/hub/cli.ts";
import { tempDir } from "../support/machine/temp.ts";

test("adopt says what to do if the new disk is not mounted, or is empty", async () => {
  using home = tempDir();
  const data = join(home.path, "imagehub_data");
  const lines = ["hub:", "  replicate:", "    endpoint: http://127.0.0.1:1", "    bucket: farm"];
  lines.push("    access_key: AKID", "    secret_key: SECRET");
  writeFileSync(join(home.path, "imagehub.yaml"), `${lines.join("\n")}\n`);
  const refusal = {
    status: EXIT.failure,
    stdout: "",
    stderr: `There is no ${data}/images: mount the disk of the data directory, or start the hub once if it is new\n`,
  };
  const options = { home: home.path };
  expect(await runCli(["replicate", "adopt"], options)).toEqual(refusal);
  mkdirSync(data);
  expect(await runCli(["replicate", "adopt"], options)).toEqual(refusal);
});
