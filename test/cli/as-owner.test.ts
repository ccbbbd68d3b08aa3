import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import { run } from "../support/archive/days.ts";
import { Home } from "../support/archive/home.ts";
import { forEachTest } from "../support/for-each-test.ts";

setDefaultTimeout(120_000);

const DAY = "2021-09-23";

let home: Home;
forEachTest(
  () => new Home(),
  (made) => (home = made),
);

/** Who owns what is in a folder: each user and group once. */
const ownersIn = (path: string): string[] => [
  ...new Set(run(path, "find", ".", "-printf", "%u:%g\n").trimEnd().split("\n")),
];

/** The data belong to another user, and the home directory lets that user pass. */
function giveAway(...paths: string[]): void {
  run("/", "chown", "-R", "nobody:games", ...paths);
  chmodSync(home.path, 0o755);
}

describe.skipIf(process.geteuid?.() !== 0)("a command of root", () => {
  test("acts as the owner of the data directory", async () => {
    home.image(DAY, "Barn");
    home.log(DAY);
    giveAway(home.directory.path, home.archive);
    expect((await home.cli("archive")).status).toBe(EXIT.ok);
    rmSync(home.directory.dateFolder(DAY), { recursive: true });
    expect((await home.cli("restore", DAY)).status).toBe(EXIT.ok);
    expect((await home.cli("verify")).status).toBe(EXIT.ok);
    expect([ownersIn(home.archive), ownersIn(home.directory.path)]).toEqual([
      ["nobody:games"],
      ["nobody:games"],
    ]);
  });

  test("makes an archive for the owner where the owner may not", async () => {
    giveAway(home.directory.path);
    rmSync(home.archive, { recursive: true });
    expect(await home.cli("archive", "--init")).toMatchObject({ status: EXIT.ok, stderr: "" });
    expect(ownersIn(home.archive)).toEqual(["nobody:games"]);
  });

  test("does not write where the owner may not, and says why", async () => {
    home.image(DAY, "Barn");
    giveAway(home.directory.path);
    const { status, stderr } = await home.cli("archive");
    expect(status).toBe(EXIT.failure);
    expect(stderr).toContain("permission denied");
  });

  test("has the groups of the owner, and none of root", () => {
    giveAway(home.directory.path);
    const script = `
      const { actAsOwner } = await import("${CHECKOUT}/src/cli/as-owner.ts");
      actAsOwner({ path: "${home.directory.path}" }, "test", true);
      console.log(process.geteuid(), process.getegid(), process.getgroups().includes(0));`;
    const [uid, gid] = run("/", "sh", "-c", "id -u nobody; getent group games | cut -d: -f3")
      .trim()
      .split("\n");
    expect(run("/", process.execPath, "-e", script)).toBe(`${uid} ${gid} false\n`);
    run("/", "chown", "54321:54321", home.directory.path);
    expect(run("/", process.execPath, "-e", script)).toBe("54321 54321 false\n");
  });

  test("is refused to another user who is neither root nor the owner", () => {
    const script = `
      process.setuid("nobody");
      const { actAsOwner } = await import("${join(CHECKOUT, "src/cli/as-owner.ts")}");
      const directory = { path: "${home.directory.path}" };
      actAsOwner(directory, "test", false);
      try { actAsOwner(directory, "test", true); } catch (error) { console.log(error.message); }`;
    chmodSync(home.path, 0o755);
    expect(run("/", process.execPath, "-e", script)).toContain("belongs to another user; run it");
  });
});
