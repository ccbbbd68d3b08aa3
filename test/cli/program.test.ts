import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { EXIT } from "../../src/errors.ts";
import { zmqVersion } from "../../src/zmq/library.ts";
import { runCli } from "../support/hub/cli.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(120_000);

const home = tempDir();

afterAll(() => home[Symbol.dispose]());

const run = async (...args: string[]) => await runCli(args, { home: home.path });

/**
 * The expected output of a command. After an intended change: `bun src/main.ts send --help >
 * test/cli/golden/send.txt`.
 */
function golden(name: string): string {
  return readFileSync(join(import.meta.dir, "golden", `${name}.txt`), "utf8");
}

describe("imagehub prints its help", () => {
  test.each([
    ["imagehub", ["--help"]],
    ["imagehub", ["-h"]],
    ["imagehub", ["help"]],
    ["run", ["run", "--help"]],
    ["run", ["help", "run"]],
    ["check", ["check", "--help"]],
    ["check", ["help", "check"]],
    ["prune", ["prune", "--help"]],
    ["days", ["days", "--help"]],
    ["protect", ["protect", "--help"]],
    ["unprotect", ["unprotect", "--help"]],
    ["archive", ["archive", "--help"]],
    ["restore", ["restore", "--help"]],
    ["verify", ["verify", "--help"]],
    ["keygen", ["keygen", "--help"]],
    ["status", ["status", "--help"]],
    ["tail", ["tail", "--help"]],
    ["send", ["send", "--help"]],
    ["send", ["send", "photo.jpg", "-h"]],
    ["send", ["help", "send"]],
    ["webhook", ["webhook", "--help"]],
    ["webhook-test", ["webhook", "test", "--help"]],
    ["mqtt", ["mqtt", "--help"]],
    ["mqtt-test", ["mqtt", "test", "--help"]],
    ["replicate", ["replicate", "--help"]],
    ["replicate-adopt", ["replicate", "adopt", "--help"]],
    ["replicate-test", ["replicate", "test", "--help"]],
    ["view", ["view", "--help"]],
    ["service", ["service", "--help"]],
    ["service", ["help", "service"]],
    ["service-install", ["service", "install", "--help"]],
    ["service-uninstall", ["service", "uninstall", "--help"]],
    ["service-status", ["service", "status", "--help"]],
  ])("as in golden/%s.txt when asked with %j", async (name, args) => {
    expect(await run(...args)).toEqual({ status: EXIT.ok, stdout: golden(name), stderr: "" });
  });
});

test.each([
  [["--version"]],
  [["-V"]],
  [["--port", "5999", "--version"]],
  [["run", "--version"]],
  [["check", "-V"]],
])("imagehub prints its versions, and does nothing else, when asked with %j", async (args) => {
  expect(await run(...args)).toEqual({
    status: EXIT.ok,
    stdout: `imagehub ${packageJson.version} (source), Bun ${Bun.version}, libzmq ${zmqVersion()}\n`,
    stderr: "",
  });
});

const HINT = "(imagehub --help lists the commands and options)\n";

test.each<[args: string[], error: string]>([
  [["sned"], "error: unknown command or argument 'sned'"],
  [["run", "now"], "error: unknown command or argument 'now'"],
  [["--prot", "5556"], "error: unknown option '--prot'\n(Did you mean --port?)"],
  [["run", "--prot", "5556"], "error: unknown option '--prot'\n(Did you mean --port?)"],
  [["check", "--node", "Barn"], "error: unknown option '--node'"],
  [["check", "now"], "error: too many arguments for 'check'. Expected 0 arguments but got 1."],
  [["send", "--bogus"], "error: unknown option '--bogus'"],
  [["--port"], "error: option '--port <number>' argument missing"],
  [
    ["check", "--path", "a", "--config", "b"],
    "error: option '--path <dir>' cannot be used with option '--config <file>'",
  ],
])("imagehub ends with the status for a wrong command line when it is %j", async (args, error) => {
  expect(await run(...args)).toEqual({
    status: EXIT.usage,
    stdout: "",
    stderr: `${error}\n${HINT}`,
  });
});
