import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { defaultSettings } from "../../src/config/schema.ts";
import { EXIT } from "../../src/errors.ts";
import { type CliResult, runCli } from "../support/hub/cli.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(120_000);

/** The printed settings. */
function printed({ stdout }: CliResult): Record<string, unknown> {
  const { hub } = parse(stdout) as { hub: Record<string, unknown> };
  return hub;
}

describe("imagehub check", () => {
  test("prints the defaults, and makes nothing, when there is no file", async () => {
    using home = tempDir();
    const result = await runCli(["check"], { home: home.path });
    expect(result).toMatchObject({ status: EXIT.ok, stderr: "" });
    expect(result.stdout).toStartWith(
      `# Settings: no file at ${join(home.path, "imagehub.yaml")}, built-in defaults\n`,
    );
    expect(printed(result)).toEqual({
      ...defaultSettings(),
      data_directory: join(home.path, "imagehub_data"),
    });
    expect(existsSync(join(home.path, "imagehub_data"))).toBe(false);
  });

  test("prints settings that it accepts again when they are a file", async () => {
    using home = tempDir();
    const file = join(home.path, "printed.yaml");
    const first = await runCli(["check", "--port", "5999", "--data", "/srv/a b: #"], {
      home: home.path,
    });
    writeFileSync(file, first.stdout);
    const second = await runCli(["check", "--config", file], { home: home.path });
    expect(second.status).toBe(EXIT.ok);
    expect(printed(second)).toEqual(printed(first));
  });

  test("names what it does not read of the file; with --quiet it prints nothing, unless something is wrong", async () => {
    using home = tempDir();
    const file = join(home.path, "imagehub.yaml");
    writeFileSync(file, "hub:\n  port: 5001\ncamwatcher:\n  outdir: /srv\n");
    const note = `${file}:3: camwatcher: is ignored; the hub reads only what is under hub:\n`;
    expect(await runCli(["check"], { home: home.path })).toMatchObject({
      status: EXIT.ok,
      stderr: note,
    });
    expect(await runCli(["check", "--quiet"], { home: home.path })).toEqual({
      status: EXIT.ok,
      stdout: "",
      stderr: "",
    });
    writeFileSync(file, "hub:\n  prot: 5001\n");
    expect(await runCli(["check", "--quiet"], { home: home.path })).toEqual({
      status: EXIT.config,
      stdout: "",
      stderr: `${file}:2: hub.prot is not a setting; did you mean hub.port?\n`,
    });
  });

  test("says what is wrong with the files of webhooks, and shows no URL", async () => {
    using home = tempDir();
    const file = join(home.path, "imagehub.yaml");
    writeFileSync(
      file,
      "hub:\n  webhooks:\n    - url: https://ntfy.example/SECRET\n      on: silent\n      secret_file: s\n" +
        "    - {url_file: u, on: [start], template: t}\n",
    );
    writeFileSync(join(home.path, "u"), "SECRET\n");
    expect(await runCli(["check", "--quiet"], { home: home.path })).toEqual({
      status: EXIT.config,
      stdout: "",
      stderr:
        `hub.webhooks.0: Cannot read ${join(home.path, "s")}: no such file or directory\n` +
        `hub.webhooks.1: ${join(home.path, "u")} is wrong: its first line must be a URL that begins with http:// or https://\n`,
    });
    writeFileSync(join(home.path, "u"), "https://chat.example/SECRET\n", { mode: 0o600 });
    writeFileSync(join(home.path, "s"), "0123456789abcdef\n");
    chmodSync(join(home.path, "u"), 0o600);
    chmodSync(join(home.path, "s"), 0o644);
    writeFileSync(join(home.path, "t"), "{message}\n");
    const result = await runCli(["check"], { home: home.path });
    expect(result).toMatchObject({
      status: EXIT.ok,
      stderr:
        "A webhook wants to know of silent nodes: set cameras, which says after how long\n" +
        `webhook 1 (ntfy.example): every user of this machine can read ${join(home.path, "s")}. To prevent this: chmod o= ${join(home.path, "s")}\n`,
    });
    expect(printed(result)["webhooks"]).toEqual([
      { url: "https://ntfy.example/…", on: ["silent"], secret_file: join(home.path, "s") },
      { url_file: join(home.path, "u"), on: ["start"], template: join(home.path, "t") },
    ]);
    expect(result.stdout).not.toContain("SECRET");
  });

  test("says who can read the keys and images of replicate, and what is wrong with its files", async () => {
    using home = tempDir();
    const file = join(home.path, "imagehub.yaml");
    const keys = "access_key: AKID, secret_key: SECRET";
    const write = (text: string): void => writeFileSync(file, `hub:\n  replicate: {${text}}\n`);
    write(`endpoint: "http://192.168.1.5:9000", bucket: farm, ${keys}`);
    chmodSync(file, 0o644);
    const result = await runCli(["check"], { home: home.path });
    expect(result.stderr).toBe(
      "hub.replicate.endpoint begins with http://, so whoever is on the way can read all images. " +
        "The secret key is not sent. Use https:// if others are on the network\n" +
        `Every user of this machine can read the secret key in ${file}. To prevent this: chmod o= ${file}\n`,
    );
    expect(result.status).toBe(EXIT.ok);
    expect(result.stdout).not.toContain("SECRET");
    write('endpoint: "https://s3.test", bucket: farm, key_file: k');
    writeFileSync(join(home.path, "k"), "SECRET\n");
    expect(await runCli(["check", "--quiet"], { home: home.path })).toEqual({
      status: EXIT.config,
      stdout: "",
      stderr: `hub.replicate: ${join(home.path, "k")} is wrong: it must have two lines, the access key and then the secret key\n`,
    });
  });

  test("prints what file, environment and command line set, the later over the earlier", async () => {
    using home = tempDir();
    const dir = join(home.path, "cameras");
    mkdirSync(dir);
    writeFileSync(
      join(dir, "imagehub.yaml"),
      "hub:\n  port: 5001\n  queuemax: 7\n  data_directory: d\n",
    );
    const result = await runCli(["check", "--path", dir, "--port", "5003"], {
      home: home.path,
      env: { IMAGEHUB_PORT: "5002", IMAGEHUB_ACK: "synced" },
    });
    expect(result).toMatchObject({ status: EXIT.ok, stderr: "" });
    expect(result.stdout).toStartWith(`# Settings: ${join(dir, "imagehub.yaml")}\n`);
    expect(printed(result)).toMatchObject({
      port: 5003,
      queuemax: 7,
      ack: "synced",
      data_directory: join(dir, "d"),
    });
  });
});

/**
 * The lines of an output without time and level, which come first in those of a hub that should
 * run.
 */
function linesOf(stderr: string): string[] {
  const lines = stderr.trimEnd().split("\n");
  return lines.map((line) => line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} error /, ""));
}

describe.each(["check", "run"])(
  "imagehub %s ends with the status for wrong settings when",
  (command) => {
    test("the file has some, and names them all", async () => {
      using home = tempDir();
      const file = join(home.path, "imagehub.yaml");
      writeFileSync(file, "hub:\n  prot: 5556\n  queuemax: 0\n");
      const { status, stdout, stderr } = await runCli([command], { home: home.path });
      expect({ status, stdout }).toEqual({ status: EXIT.config, stdout: "" });
      expect(linesOf(stderr)).toEqual([
        expect.stringMatching(/^\S*imagehub\.yaml.*2.*prot.*port/),
        expect.stringMatching(/^\S*imagehub\.yaml.*3.*queuemax.*1 to 100000$/),
      ]);
    });

    test.each<[what: string, args: string[], env: Record<string, string>, error: RegExp]>([
      [
        "the file is missing",
        ["--config", "none.yaml"],
        {},
        /^Cannot read .*none\.yaml: no such file.*$/,
      ],
      ["the directory is missing", ["--path", "none"], {}, /^Cannot read .*none: no such file.*$/],
      ["the port is none", ["--port", "70000"], {}, /^--port.*70000.*1 to 65535$/],
      [
        "the environment is wrong",
        [],
        { IMAGEHUB_WRITERS: "many" },
        /^IMAGEHUB_WRITERS.*many.*1 to 64$/,
      ],
    ])("%s", async (_, args, env, error) => {
      using home = tempDir();
      const { status, stdout, stderr } = await runCli([command, ...args], { home: home.path, env });
      expect({ status, stdout }).toEqual({ status: EXIT.config, stdout: "" });
      expect(linesOf(stderr)).toEqual([expect.stringMatching(error)]);
    });
  },
);
