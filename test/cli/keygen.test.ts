import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { readKeyPair, readPublicKey } from "../../src/zmq/certificate.ts";
import { runCli } from "../support/hub/cli.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { forEachTest } from "../support/for-each-test.ts";

setDefaultTimeout(120_000);

let temp: TempDir;

forEachTest(tempDir, (made) => (temp = made));

const keygen = (...args: readonly string[]) => runCli(["keygen", ...args], { home: temp.path });
const at = (...names: readonly string[]): string => join(temp.path, ...names);
/** The visible files of the home directory; the runtime has a hidden folder there. */
const files = (): string[] =>
  readdirSync(temp.path)
    .filter((name) => !name.startsWith("."))
    .toSorted();
const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);

describe("imagehub keygen", () => {
  test("makes two files, the secret one for its owner alone", async () => {
    const result = await keygen("barn-1.cam_2", "--out", at("new", "keys"));
    const [open, secret] = [
      at("new", "keys", "barn-1.cam_2.key"),
      at("new", "keys", "barn-1.cam_2.key_secret"),
    ];
    expect(result).toEqual({
      status: EXIT.ok,
      stdout: `${secret}: keep it here and keep it secret\n${open}: give it to the other side\n`,
      stderr: "",
    });
    expect(readdirSync(at("new", "keys")).toSorted()).toEqual([
      "barn-1.cam_2.key",
      "barn-1.cam_2.key_secret",
    ]);
    expect([mode(open), mode(secret)]).toEqual(["644", "600"]);
    const { publicKey, secretKey } = readKeyPair(secret);
    expect(readPublicKey(open)).toBe(publicKey);
    expect(readFileSync(open, "utf8")).not.toContain(secretKey);
  });

  test("writes to the current directory where none is given", async () => {
    expect(await keygen("hub")).toMatchObject({ status: EXIT.ok });
    expect(files()).toEqual(["hub.key", "hub.key_secret"]);
  });

  test("makes other keys each time", async () => {
    await keygen("a");
    await keygen("b");
    expect(readPublicKey(at("a.key"))).not.toBe(readPublicKey(at("b.key")));
  });

  test.each(["hub.key", "hub.key_secret"])("writes over no %s", async (name) => {
    writeFileSync(at(name), "precious");
    expect(await keygen("hub")).toEqual({
      status: EXIT.usage,
      stdout: "",
      stderr: `${name} exists already; choose another name, or move the old keys away\n`,
    });
    expect(readFileSync(at(name), "utf8")).toBe("precious");
    expect(files()).toEqual([name]);
  });

  test.each(["../hub", "a/b", "/tmp/hub", "", ".", "..", ".hidden", "a b", "hub\n", "hüb"])(
    "refuses the name %j and writes nothing",
    async (name) => {
      expect(await keygen(name)).toEqual({
        status: EXIT.usage,
        stdout: "",
        stderr: `The name is "${name}", must be letters, digits, dots, dashes and underscores\n`,
      });
      expect(files()).toEqual([]);
    },
  );

  test("wants a name", async () => {
    expect(await keygen()).toMatchObject({ status: EXIT.usage, stdout: "" });
  });

  test.each<[what: string, out: () => string]>([
    ["a file stands in its place", () => at("file")],
    ["a file stands in its way", () => at("file", "keys")],
    ["nobody can make it", () => "/proc/imagehub/keys"],
  ])("says why it cannot write to a directory when %s", async (_, out) => {
    writeFileSync(at("file"), "");
    const result = await keygen("hub", "--out", out());
    expect(result).toMatchObject({ status: EXIT.failure, stdout: "" });
    expect(result.stderr).toMatch(/^Cannot write the keys: E[A-Z]+: .*\n$/);
    expect(result.stderr).toContain(out());
  });

  test("leaves no secret key behind when the public one cannot be written", async () => {
    // A dangling link does not count as existing, but its target cannot be made either.
    mkdirSync(at("keys"));
    symlinkSync(at("nowhere"), at("keys", "hub.key"));
    expect(await keygen("hub", "--out", at("keys"))).toMatchObject({ status: EXIT.failure });
    expect([existsSync(at("keys", "hub.key_secret")), existsSync(at("nowhere"))]).toEqual([
      false,
      false,
    ]);
  });
});
