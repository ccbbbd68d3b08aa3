import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { Home } from "../support/archive/home.ts";
import { forEachTest } from "../support/for-each-test.ts";

setDefaultTimeout(120_000);

const DAY = "2021-09-23";

let home: Home;
forEachTest(
  () => new Home(),
  (made) => (home = made),
);

test.each(["prune", "archive", `restore ${DAY}`, `protect ${DAY}`, "days", "verify"])(
  "%s leaves nothing in the empty mount point of the data directory",
  async (command) => {
    home.image(DAY, "Barn");
    await home.cli("archive");
    const { path } = home.directory;
    for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true });
    const { status, stderr } = await home.cli(...command.split(" "));
    expect(status).not.toBe(EXIT.ok);
    expect(stderr).toContain("images");
    expect(readdirSync(path)).toEqual([]);
  },
);
