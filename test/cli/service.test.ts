import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { hasSystemd } from "../../src/service/systemd-state.ts";
import { UNIT_FILE } from "../../src/service/unit.ts";
import { CHECKOUT, executable, has, lacks } from "../../scripts/lib/available.ts";
import { type CliResult, runCli } from "../support/hub/cli.ts";

setDefaultTimeout(60_000);

const arch = process.arch === "arm64" ? "arm64" : "x64";

/** A directory outside /tmp, which a service cannot see. */
const above = /^\/(?:var\/)?tmp\//.test(CHECKOUT) ? homedir() : join(CHECKOUT, ".cache");
mkdirSync(above, { recursive: true });
const dir = mkdtempSync(join(above, "service-"));
const program = join(dir, "imagehub");
const home = join(dir, "home");
if (has(arch)) copyFileSync(executable(arch), program, constants.COPYFILE_FICLONE);

afterAll(() => rmSync(dir, { recursive: true }));

/** Runs the built executable. */
function service(...args: string[]): CliResult {
  const { exitCode, stdout, stderr } = Bun.spawnSync([program, "service", ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: dir, IMAGEHUB_PORT: "1" },
  });
  return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

describe.skipIf(lacks(arch) || hasSystemd())("imagehub service install --dry-run", () => {
  test("prints all that it would do, as in golden/service-install-dry-run.txt, and does nothing", () => {
    const places = ["--config", join(home, "imagehub.yaml"), "--data", "/srv/it's 100% data"];
    const { status, stdout, stderr } = service("install", "--dry-run", "--user", "root", ...places);
    expect({ status, stderr }).toEqual({ status: EXIT.ok, stderr: "" });
    const settings = readFileSync(join(CHECKOUT, "imagehub.yaml"), "utf8");
    const expected = readFileSync(
      join(import.meta.dir, "golden/service-install-dry-run.txt"),
      "utf8",
    );
    // The settings are the shipped ones with another data directory.
    const written = settings.replace(
      /^ {2}data_directory: .*$/m,
      "  data_directory: /srv/it's 100% data",
    );
    expect(stdout).toContain(written);
    expect(stdout.replace(written, "SETTINGS\n").replaceAll(dir, "/DIR")).toBe(expected);
    expect(existsSync(home)).toBe(false);
    expect(existsSync("/srv/it's 100% data")).toBe(false);
  });

  test("leaves a settings file as it is, and takes the data directory from it", () => {
    const config = join(dir, "imagehub.yaml");
    writeFileSync(config, "hub:\n  data_directory: images\n");
    const { status, stdout } = service(
      "install",
      "--dry-run",
      "--user",
      "root",
      "--config",
      config,
    );
    expect(status).toBe(EXIT.ok);
    expect(stdout).not.toContain(`write ${config}`);
    expect(stdout).toStartWith(
      `# Would make the directory ${join(dir, "images")}, for root:root\n`,
    );

    writeFileSync(config, "hub:\n  data_directory: /srv/images\n  prt: 1\n");
    expect(service("install", "--dry-run", "--user", "root", "--config", config)).toEqual({
      status: EXIT.config,
      stdout: "",
      stderr: `${config}:3: hub.prt is not a setting; did you mean hub.port?\n`,
    });
    writeFileSync(config, "hub:\n  data_directory: /srv/images\n");
    const other = service(
      "install",
      "--dry-run",
      "--user",
      "root",
      "--config",
      config,
      "--data",
      "/srv/x",
    );
    expect(other).toEqual({
      status: EXIT.usage,
      stdout: "",
      stderr: `${config} sets data_directory to /srv/images, not /srv/x: change it there, or leave out --data\n`,
    });
  });
});

describe.skipIf(lacks(arch))("imagehub service install refuses", () => {
  test.each<[what: string, args: string[], stderr: string]>([
    [
      "a user that is not there",
      ["--user", "no-such-user"],
      "This machine has no user no-such-user; give another one with --user",
    ],
    [
      "a user without a home",
      ["--user", "nobody"],
      "nobody has no home directory (/nonexistent does not exist): give --config, and --data for a new settings file",
    ],
    [
      "data below /tmp",
      ["--user", "root", "--config", `${home}/a.yaml`, "--data", "/tmp/data"],
      "/tmp/data is in a directory for temporary files, which the service cannot see: use another directory, such as one in /home or /srv",
    ],
    [
      "/tmp itself for the data",
      ["--user", "root", "--config", `${home}/a.yaml`, "--data", "/tmp"],
      "/tmp is in a directory for temporary files, which the service cannot see: use another directory, such as one in /home or /srv",
    ],
    [
      "settings below /var/tmp",
      ["--user", "root", "--config", "/var/tmp/no-such/a.yaml"],
      "/var/tmp/no-such/a.yaml is in a directory for temporary files, which the service cannot see: " +
        "use another directory, such as one in /home or /srv",
    ],
    [
      "a path with a line break",
      ["--user", "root", "--config", `${home}/a.yaml`, "--data", "/srv/a\nb"],
      "--data must be a path without control characters",
    ],
  ])("%s", (_, args, stderr) => {
    expect(service("install", "--dry-run", ...args)).toEqual({
      status: EXIT.usage,
      stdout: "",
      stderr: `${stderr}\n`,
    });
  });

  test("to choose root by itself", () => {
    if (userInfo().uid !== 0) return;
    const { status, stderr } = service("install", "--dry-run");
    expect(status).toBe(EXIT.usage);
    expect(stderr).toBe("The hub should not run as root: give another user with --user NAME\n");
  });
});

test("imagehub service install refuses to make a service of a checkout", async () => {
  expect(await runCli(["service", "install", "--dry-run"], { home: dir })).toEqual({
    status: EXIT.usage,
    stdout: "",
    stderr:
      "Only the executable can become a service, but this runs from source: make the executable with `npm run build`, then run it from dist\n",
  });
});

describe.skipIf(lacks(arch) || hasSystemd())("without systemd imagehub service", () => {
  test.each([["install"], ["uninstall"], ["status"]])("%s says that there is none", (command) => {
    expect(service(command)).toEqual({
      status: EXIT.failure,
      stdout: "",
      stderr:
        "This machine does not use systemd (no /run/systemd/system); start `imagehub run` with its own service manager\n",
    });
  });

  test("uninstall --dry-run says that nothing is installed", () => {
    expect(service("uninstall", "--dry-run").stderr).toBe(
      `Nothing to uninstall: ${UNIT_FILE} does not exist\n`,
    );
  });
});
