import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { JPEG, nameOf } from "../support/archive/days.ts";
import { Home } from "../support/archive/home.ts";
import { forEachTest } from "../support/for-each-test.ts";

setDefaultTimeout(120_000);

const DAY = "2021-09-23";

let home: Home;
forEachTest(
  () => new Home(),
  (made) => (home = made),
);

describe("imagehub verify", () => {
  test("says that all is well", async () => {
    home.image(DAY, "Barn");
    home.image("2021-09-24", "Gate");
    await home.cli("archive", DAY);
    expect(await home.cli("verify")).toEqual({
      status: EXIT.ok,
      stdout: "2 days, 2 files (130.5 kB) read; 1 day (1 file) in the archive: all is well\n",
      stderr: "",
    });
    expect((await home.cli("verify", "2021-09-24")).stdout).toBe(
      "1 day, 1 file (65.3 kB) read; 0 days (0 files) in the archive: all is well\n",
    );
  });

  test("finds days that only the archive has, and in no manifest", async () => {
    home.image(DAY, "Barn");
    await home.cli("archive", DAY);
    rmSync(home.directory.dateFolder(DAY), { recursive: true });
    rmSync(join(home.archive, `manifests/${DAY}.sha256`));
    const { status, stderr } = await home.cli("verify");
    expect([status, stderr]).toEqual([
      EXIT.failure,
      `manifests/${DAY}.sha256 in the archive is missing, and 1 file of the day can be found only there: see "A damaged archive" in docs/OPERATION.md\n`,
    ]);
    expect((await home.cli("restore", DAY)).stderr).toContain(
      "it has no manifest there, but files: see ",
    );
  });

  test("lists what is damaged, here and in the archive", async () => {
    home.image(DAY, "Barn");
    home.image(DAY, "Gate", 0, "");
    await home.cli("archive");
    home.put(join(home.directory.images, "holiday/beach.jpg"), "x");
    const strangers = await home.cli("verify");
    expect(strangers.stderr).toBe(
      `images/holiday is not the hub's\nimages/${DAY}/${nameOf(DAY, "Gate")} is empty\n`,
    );
    rmSync(join(home.directory.images, "holiday"), { recursive: true });
    const path = `images/${DAY}/${nameOf(DAY, "Barn")}`;
    truncateSync(join(home.archive, path), 100);
    const { status, stdout, stderr } = await home.cli("verify");
    expect([status, stderr]).toEqual([
      EXIT.failure,
      `images/${DAY}/${nameOf(DAY, "Gate")} is empty\n${path} in the archive is not what its manifest says\n`,
    ]);
    expect(stdout).toEndWith("in the archive: 2 problems\n");
    const json = await home.cli("verify", "--json");
    expect(json.status).toBe(EXIT.failure);
    expect(JSON.parse(json.stdout)).toEqual({
      days: [
        {
          date: DAY,
          files: 2,
          bytes: JPEG.byteLength,
          archived: 2,
          problems: [expect.stringContaining("Gate"), expect.stringContaining("Barn")],
          notes: [],
        },
      ],
      problems: [expect.stringContaining("Gate"), expect.stringContaining("Barn")],
      stopped: false,
    });
  });

  test("says that all is well, and what was repaired", async () => {
    home.format = "tar";
    home.image(DAY, "Barn");
    await home.cli("archive");
    const tar = join(home.archive, `${DAY}.tar`);
    const bytes = readFileSync(tar);
    bytes[20_000]! ^= 1;
    writeFileSync(tar, bytes);
    expect((await home.cli("verify")).status).toBe(EXIT.failure);
    expect((await home.cli("archive", DAY)).status).toBe(EXIT.ok);
    expect(await home.cli("verify")).toEqual({
      status: EXIT.ok,
      stdout:
        `${DAY}.tar in the archive is not what ${DAY}.tar.sha256 says, but the archive has a good copy of each file of ${DAY}\n` +
        "1 day, 1 file (65.3 kB) read; 1 day (1 file) in the archive: all is well\n",
      stderr: "",
    });
  });

  test("verifies the data also if the archive is not there, and says that", async () => {
    home.image(DAY, "Barn", 0, "");
    renameSync(home.archive, `${home.archive}-away`);
    const { status, stderr } = await home.cli("verify");
    expect(status).toBe(EXIT.failure);
    expect(stderr.split("\n").slice(0, 2)).toEqual([
      expect.stringContaining(`The archive ${home.archive} is not there`),
      expect.stringContaining("is empty"),
    ]);
  });

  test("does not take an empty mount point for an archive without days", async () => {
    home.image(DAY, "Barn");
    await home.cli("archive");
    renameSync(home.archive, `${home.archive}-away`);
    mkdirSync(home.archive);
    const { status, stderr } = await home.cli("verify");
    expect([status, stderr]).toEqual([
      EXIT.failure,
      expect.stringContaining("is no archive yet, and no disk of its own is mounted there"),
    ]);
  });

  test("needs no archive", async () => {
    home.archive = "";
    home.image(DAY, "Barn");
    expect((await home.cli("verify")).status).toBe(EXIT.ok);
  });

  test("says that nothing is stored of a day", async () => {
    const { status, stderr } = await home.cli("verify", "2001-01-01");
    expect([status, stderr]).toEqual([EXIT.failure, "Nothing is stored of 2001-01-01\n"]);
    expect((await home.cli("verify", "now")).status).toBe(EXIT.usage);
  });

  test("says that the data directory is not there", async () => {
    const { status, stderr } = await home.cli("verify", "--data", join(home.path, "none"));
    expect([status, stderr]).toEqual([
      EXIT.data,
      expect.stringContaining("--data names another data directory"),
    ]);
  });
});
