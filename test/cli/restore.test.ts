import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { WorkLock } from "../../src/store/work-lock.ts";
import { nameOf } from "../support/archive/days.ts";
import { Home } from "../support/archive/home.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { startHub } from "../support/hub/hub.ts";
import { Sender } from "../support/peers/sender.ts";

setDefaultTimeout(120_000);

const DAY = "2021-09-23";

let home: Home;
forEachTest(
  () => new Home(),
  (made) => (home = made),
);

const folder = (): string => home.directory.dateFolder(DAY);

describe("imagehub restore", () => {
  test("brings a day back, and says what may become of it", async () => {
    home.image(DAY, "Barn");
    home.image(DAY, "Gate");
    await home.cli("archive");
    rmSync(folder(), { recursive: true });
    expect((await home.cli("restore", DAY, "--dry-run")).stdout).toBe(
      `Would restore 2 files (130.5 kB) of ${DAY}\n`,
    );
    expect(await home.cli("restore", DAY)).toEqual({
      status: EXIT.ok,
      stdout:
        `Restored 2 files (130.5 kB) of ${DAY}\n` +
        "If hub.keep has rules, they may delete these files again; imagehub protect keeps what you choose\n",
      stderr: "",
    });
    expect((await home.cli("restore", DAY)).stdout).toBe(
      `Restored 0 files (0 bytes) of ${DAY}; there already: 2 files\n`,
    );
  });

  test("protects the day with --protect, and no rule deletes meanwhile", async () => {
    home.image(DAY, "Barn");
    const gate = home.image(DAY, "Gate");
    home.log(DAY);
    await home.cli("archive");
    rmSync(join(folder(), nameOf(DAY, "Barn")));
    {
      using lock = WorkLock.tryToTake(home.directory, "prune");
      expect(lock).toBeDefined();
      const busy = await home.cli("restore", DAY, "--protect");
      expect(busy).toMatchObject({ status: EXIT.failure });
      expect(busy.stderr).toContain("is deleting images right now");
    }
    expect(await home.cli("restore", DAY, "--protect", "--dry-run")).toMatchObject({
      stdout: `Would restore 1 file (65.3 kB) of ${DAY}; there already: 2 files\n`,
    });
    expect(existsSync(home.directory.kept)).toBe(false);
    // One that was changed here is not what was restored.
    writeFileSync(join(folder(), gate), "changed");
    const { status, stdout, stderr } = await home.cli("restore", DAY, "--protect");
    expect([status, stdout]).toEqual([
      EXIT.failure,
      `Restored 1 file (65.3 kB) of ${DAY}; there already: 1 file\nProtected: 1 image\n`,
    ]);
    expect(stderr).toContain("is stored with another content");
    expect(readdirSync(home.directory.keptFolder(DAY))).toEqual([nameOf(DAY, "Barn")]);
  });

  test("brings a day back under a running hub, which goes on storing", async () => {
    home.image(DAY, "Barn");
    await home.cli("archive");
    rmSync(folder(), { recursive: true });
    const data_directory = home.directory.path;
    await using hub = await startHub({ settings: { hub: { data_directory } } });
    await using sender = new Sender(hub.port);
    expect((await sender.jpg("Gate|jpg|", { size: 1000 })).reply).toBe("OK");
    expect((await home.cli("restore", DAY)).status).toBe(EXIT.ok);
    expect((await sender.jpg("Gate|jpg|", { size: 1000 })).reply).toBe("OK");
    expect(readdirSync(folder())).toEqual([nameOf(DAY, "Barn")]);
    const stored = readdirSync(home.directory.images).flatMap((date) =>
      readdirSync(home.directory.dateFolder(date)),
    );
    expect(stored).toHaveLength(3);
  });

  test("reports what it leaves as it is", async () => {
    home.image(DAY, "Barn");
    home.image(DAY, "Gate");
    await home.cli("archive");
    rmSync(join(folder(), nameOf(DAY, "Barn")));
    writeFileSync(join(folder(), nameOf(DAY, "Gate")), "changed");
    const { status, stdout, stderr } = await home.cli("restore", DAY);
    expect([status, stderr]).toEqual([
      EXIT.failure,
      `images/${DAY}/${nameOf(DAY, "Gate")} is stored with another content, which stays as it is\n`,
    ]);
    expect(stdout).toStartWith("Restored 1 file");
    const { stdout: json } = await home.cli("restore", DAY, "--json");
    expect(JSON.parse(json)).toEqual({
      dry_run: false,
      files: 0,
      bytes: 0,
      same: 1,
      problems: [expect.any(String)],
      stopped: false,
    });
  });

  test("says that a day is not in the archive", async () => {
    expect(await home.cli("restore", DAY)).toEqual({
      status: EXIT.failure,
      stdout: "",
      stderr: `Cannot restore ${DAY}: ${DAY} is not in the archive ${home.archive}: it has no manifest there\n`,
    });
    expect((await home.cli("restore", "today")).status).toBe(EXIT.usage);
    expect((await home.cli("restore")).status).toBe(EXIT.usage);
  });
});
