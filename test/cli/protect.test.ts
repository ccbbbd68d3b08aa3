import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { WorkLock } from "../../src/store/work-lock.ts";
import { runCli } from "../support/hub/cli.ts";
import { startHub } from "../support/hub/hub.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { tempDir } from "../support/machine/temp.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { Sender } from "../support/peers/sender.ts";

setDefaultTimeout(120_000);

const DAY = "2021-09-23";
const BARN = `Barn-Door-${DAY}T16.58.47.490303.jpg`;
const GATE = `Gate-${DAY}T16.58.47.490303.jpg`;

/** A user that is not root, by its number. */
const NOBODY = 65_534;

let home: string;
let directory: DataDirectory;

forEachTest(tempDir, ({ path }) => {
  home = path;
  directory = new DataDirectory(join(path, "imagehub_data"));
  mkdirSync(directory.dateFolder(DAY), { recursive: true });
  writeFileSync(image(BARN), new Uint8Array(45_000));
  writeFileSync(image(GATE), new Uint8Array(999));
});

const image = (name: string): string => join(directory.dateFolder(DAY), name);
const kept = (name: string): string => join(directory.keptFolder(DAY), name);

const run = async (...args: string[]) => await runCli(args, { home });

describe("imagehub protect and unprotect", () => {
  test("print what they have done", async () => {
    expect(await run("protect", DAY, "--camera", "Barn*")).toEqual({
      status: EXIT.ok,
      stdout: "Protected 1 image (45.0 kB)\n",
      stderr: "",
    });
    expect(await run("protect", DAY)).toMatchObject({
      stdout: "Protected 1 image (999 bytes)\n1 already protected\n",
    });
    rmSync(directory.dateFolder(DAY), { recursive: true });
    expect(await run("unprotect", DAY, "--dry-run")).toMatchObject({
      stdout: "Would unprotect 2 images (46.0 kB)\n2 images (46.0 kB) would go back to images\n",
    });
    expect(existsSync(image(GATE))).toBe(false);
    expect(await run("unprotect", GATE)).toMatchObject({
      stdout: "Unprotected 1 image (999 bytes)\n1 image (999 bytes) went back to images\n",
    });
    expect(existsSync(image(GATE))).toBe(true);
    expect(await run("unprotect", GATE)).toMatchObject({
      status: EXIT.ok,
      stdout: "Unprotected 0 images (0 bytes)\n1 not protected\n",
    });
  });

  test("take paths to images, in either folder", async () => {
    expect(await run("protect", `imagehub_data/images/${DAY}/${BARN}`)).toMatchObject({
      status: EXIT.ok,
    });
    rmSync(directory.dateFolder(DAY), { recursive: true });
    expect(await run("unprotect", kept(BARN))).toMatchObject({ status: EXIT.ok });
    expect(existsSync(image(BARN))).toBe(true);
    expect(await run("protect", `elsewhere/${DAY}/${BARN}`)).toEqual({
      status: EXIT.usage,
      stdout: "",
      stderr: `elsewhere/${DAY}/${BARN} is not an image in ${directory.path}; --data names another data directory\n`,
    });
  });

  test("print JSON, with what was left as it is", async () => {
    const { status, stdout, stderr } = await run("protect", DAY, "2021-09-24", "--json");
    expect([status, stderr]).toEqual([EXIT.failure, ""]);
    expect(JSON.parse(stdout)).toEqual({
      data_directory: directory.path,
      dry_run: false,
      done: { images: 2, bytes: 45_999 },
      already: { images: 0, bytes: 0 },
      copied: { images: 0, bytes: 0 },
      restored: { images: 0, bytes: 0 },
      problems: [`There are no images of 2021-09-24 in ${directory.images}`],
    });
  });

  test.each<[args: string[], status: number, error: string]>([
    [["protect"], EXIT.usage, "missing required argument 'what'"],
    [["protect", "photo.jpg"], EXIT.usage, "photo.jpg is neither a day such as 2026-11-20 nor"],
    [["protect", BARN, "--camera", "Barn"], EXIT.usage, "it does not go with names"],
    [
      ["protect", DAY, "--data", "/nowhere"],
      EXIT.data,
      "Cannot protect images in /nowhere: ENOENT",
    ],
    [["protect", BARN.replace("Barn", "None")], EXIT.failure, "There is no image "],
    [["unprotect", "2021-09-24"], EXIT.failure, "There are no images of 2021-09-24 in "],
  ])("refuse %j", async (args, status, error) => {
    const result = await run(...args);
    expect(result.status).toBe(status);
    expect(result.stderr).toContain(error);
    expect(existsSync(directory.kept)).toBe(false);
    expect(existsSync("/nowhere")).toBe(false);
  });

  test("print many problems in short", async () => {
    const names = Array.from({ length: 25 }, (_, index) => `None${index}-${DAY}T00.00.00.jpg`);
    const { stderr } = await run("protect", ...names);
    expect(stderr.split("\n")).toHaveLength(22);
    expect(stderr).toEndWith("\nand 5 more like these\n");
  });

  test("wait for no other one, and change nothing then", async () => {
    using lock = WorkLock.tryToTake(directory, "protect");
    expect(lock).toBeDefined();
    const { status, stderr } = await run("protect", DAY);
    expect([status, stderr]).toEqual([
      EXIT.failure,
      `Another protect or unprotect is at work in ${directory.path}: wait until it ends\n`,
    ]);
    expect(existsSync(directory.kept)).toBe(false);
  });

  test.skipIf(process.geteuid?.() !== 0)(
    "have no more rights than the owner of the data directory, also as root",
    async () => {
      chmodSync(home, 0o755);
      Bun.spawnSync(["chown", "-R", String(NOBODY), directory.path]);
      const secret = GATE.replace("Gate", "Secret");
      writeFileSync(image(secret), "of root", { mode: 0o600 });
      expect(await run("protect", BARN, GATE)).toMatchObject({ status: EXIT.ok, stderr: "" });
      for (const path of [directory.kept, directory.keptFolder(DAY), kept(BARN), directory.own])
        expect(statSync(path).uid).toBe(NOBODY);
      const refused = await run("protect", secret);
      expect(refused.status).toBe(EXIT.data);
      expect(refused.stderr).toContain("EACCES");
      expect(existsSync(kept(secret))).toBe(false);
    },
  );

  test.skipIf(lacks("python"))("work while a hub stores, and after it", async () => {
    const today = new Date().toISOString().slice(0, 10);
    await using hub = await startHub({ dir: home });
    await using sender = new Sender(hub.port);
    expect((await sender.jpg("Barn|jpg|", { size: 1000 })).reply).toBe("OK");
    expect(await run("protect", today, DAY)).toMatchObject({
      status: EXIT.ok,
      stdout: "Protected 3 images (47.0 kB)\n",
    });
    expect((await sender.jpg("Barn|jpg|", { size: 1000 })).reply).toBe("OK");
    expect(await hub.stop()).toBe(0);
    expect(await run("protect", today)).toMatchObject({
      stdout: "Protected 1 image (1.0 kB)\n1 already protected\n",
    });
    expect(readFileSync(kept(BARN))).toEqual(readFileSync(image(BARN)));
  });
});
