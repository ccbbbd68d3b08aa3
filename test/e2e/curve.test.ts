/**
 * Who may send by key, end to end: the setting `curve`.
 *
 * @module
 */

import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { chmodSync, cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { formatCertificate } from "../../src/zmq/certificate.ts";
import { newKeyPair } from "../../src/zmq/library.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { runCli } from "../support/hub/cli.ts";
import { createCertificates, CurvePeer, loadCertificate } from "../support/peers/curve.ts";
import { downgrade, DOWNGRADES, STRANGER } from "../support/peers/downgrades.ts";
import { traces } from "../support/hub/traces.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, stopAndCount, until } from "../support/hub/output.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

let temp: TempDir;

forEachTest(tempDir, (made) => (temp = made));

/** A file with keys that pyzmq made. */
const own = (name: string): string => join(temp.path, "own", name);
const publicKeys = new Map<string, string>();

/** What pyzmq reads in it; it is the same for all tests. */
function publicKey(name: string): string {
  const known = publicKeys.get(name) ?? loadCertificate(own(`${name}.key`))[0];
  publicKeys.set(name, known);
  return known;
}

/** A camera with keys of its own. */
const peer = (hub: Hub, name: string, serverKey = publicKey("hub")): CurvePeer =>
  new CurvePeer({ node: name, port: hub.port, keys: own(`${name}.key_secret`), serverKey });

/**
 * That a hub serves one who may send, and has nothing of the stranger. @param before images that it
 * has of the first already
 */
async function expectOnlyBarn(hub: Hub, before = 0): Promise<void> {
  await using barn = peer(hub, "barn");
  expect(await barn.reply).toBe("OK");
  const nodes = hub.images().map(({ name }) => name.split("-")[0]);
  expect(nodes).toEqual(Array.from({ length: before + 1 }, () => "barn"));
  expect(traces(hub, "stranger")).toEqual([]);
  expect(await stopAndCount(hub)).toMatchObject({ status: 0, images: before + 1, refused: 0 });
}

describe.skipIf(lacks("python"))("a hub with curve", () => {
  const made = tempDir();
  let clientKeys: string;

  beforeAll(() => {
    for (const name of ["hub", "barn", "stranger"]) createCertificates(made.path, name);
  });

  afterAll(() => made[Symbol.dispose]());

  beforeEach(() => {
    clientKeys = join(temp.path, "clients");
    // A Python for each takes longer than most tests, so they are made once.
    cpSync(made.path, join(temp.path, "own"), { recursive: true });
    mkdirSync(clientKeys);
    admit("barn");
  });

  /** Puts a node's public key where the hub looks for it. */
  function admit(name: string): void {
    writeFileSync(
      join(clientKeys, `${name}.key`),
      formatCertificate({ publicKey: publicKey(name) }),
    );
  }

  const curveHub = (more: Record<string, unknown> = {}): Promise<Hub> =>
    startHub({
      settings: {
        hub: {
          curve: { server_key: own("hub.key_secret"), client_keys: clientKeys },
          log_level: "debug",
          ...more,
        },
      },
    });

  test("serves a key that it knows", async () => {
    await using hub = await curveHub();
    await expectOnlyBarn(hub);
    expect(linesWith(hub, "Anyone who can reach this port")).toEqual([]);
    expect(linesWith(hub, "Refused")).toEqual([]);
  });

  test.each([
    [0o600, 0],
    [0o640, 1],
    [0o604, 1],
  ])("warns of keys that others can read: mode %o", async (mode, warnings) => {
    chmodSync(own("hub.key_secret"), mode);
    await using hub = await curveHub();
    expect(linesWith(hub, "Other users can read the secret key")).toHaveLength(warnings);
  });

  test("takes nothing from a key that it does not know", async () => {
    await using hub = await curveHub();
    await using stranger = peer(hub, "stranger");
    await until(
      hub,
      () => linesWith(hub, "Refused a connection: its key is not in client_keys").length > 0,
    );
    expect(linesWith(hub, "not in client_keys")[0]).toEndWith(" from=127.0.0.1");
    await expectOnlyBarn(hub);
    expect(stranger.isAnswered).toBe(false);
  });

  test("takes nothing from a peer without CURVE", async () => {
    await using hub = await curveHub();
    await using stranger = new CurvePeer({ node: "stranger", port: hub.port });
    await until(hub, () => linesWith(hub, "(the setting curve)").length > 0);
    await expectOnlyBarn(hub);
    expect(stranger.isAnswered).toBe(false);
  });

  // libzmq copies the options of a socket when it connects, and keeps to them for that connection.
  test("takes nothing from a sender of imagezmq that sets its keys late, and serves one that connects again", async () => {
    await using hub = await curveHub();
    const barn = { port: hub.port, keys: own("barn.key_secret"), serverKey: publicKey("hub") };
    await using late = new CurvePeer({ ...barn, node: "stranger", way: "late" });
    await until(hub, () => linesWith(hub, "(the setting curve)").length > 0);
    await using again = new CurvePeer({ ...barn, node: "barn", way: "again" });
    expect(await again.reply).toBe("OK");
    await expectOnlyBarn(hub, 1);
    expect(late.isAnswered).toBe(false);
  });

  test("takes nothing from a peer that takes another for the hub", async () => {
    await using hub = await curveHub();
    await using stranger = peer(hub, "barn", publicKey("stranger"));
    await until(
      hub,
      () => linesWith(hub, "its keys do not fit those of the hub (the setting curve)").length > 0,
    );
    expect(hub.images()).toEqual([]);
    expect(stranger.isAnswered).toBe(false);
  });

  test.each(DOWNGRADES)("takes nothing by $what", async (way) => {
    await using hub = await curveHub();
    using stranger = await downgrade(hub.port, way);
    await stranger.closed();
    expect(stranger.received().includes("OK")).toBe(false);
    expect(traces(hub, STRANGER)).toEqual([]);
    await expectOnlyBarn(hub);
  });

  test("asks for both, key and address, where both are set", async () => {
    await using hub = await curveHub({ allow: ["127.0.0.2"] });
    await using barn = peer(hub, "barn");
    await until(hub, () => linesWith(hub, "its address is not in allow from=127.0.0.1").length > 0);
    expect([barn.isAnswered, hub.images()]).toEqual([false, []]);
  });

  test("rereads its clients' keys on SIGHUP", async () => {
    await using hub = await curveHub();
    {
      await using refused = peer(hub, "stranger");
      await until(hub, () => linesWith(hub, "its key is not in client_keys").length > 0);
      expect(refused.isAnswered).toBe(false);
      admit("stranger");
      process.kill(hub.pid, "SIGHUP");
      // libzmq gives a connection that was refused with 400 up, so the same socket is not served
      // later.
      await until(hub, () => linesWith(hub, "Read the keys of 2 clients again").length === 1);
    }
    await using admitted = peer(hub, "stranger");
    expect(await admitted.reply).toBe("OK");

    rmSync(join(clientKeys, "stranger.key"));
    process.kill(hub.pid, "SIGHUP");
    await until(hub, () => linesWith(hub, "Read the keys of 1 clients again").length === 1);
    const before = hub.images().length;
    const refusals = linesWith(hub, "its key is not in client_keys").length;
    await using removed = peer(hub, "stranger");
    await until(hub, () => linesWith(hub, "its key is not in client_keys").length > refusals);
    await using barn = peer(hub, "barn");
    expect(await barn.reply).toBe("OK");
    expect([hub.images().length, removed.isAnswered]).toEqual([before + 1, false]);
  });

  test.each<[what: string, breaks: () => void, reason: RegExp]>([
    [
      "one is broken",
      () => writeFileSync(join(clientKeys, "broken.key"), 'curve\n    public-key = "too short"\n'),
      /broken\.key holds no public key \(public-key in Z85\); make one with imagehub keygen$/,
    ],
    ["the directory is gone", () => renameSync(clientKeys, `${clientKeys}.away`), /ENOENT/],
  ])("keeps the keys that it has when on SIGHUP %s", async (_, breaks, reason) => {
    await using hub = await curveHub();
    breaks();
    process.kill(hub.pid, "SIGHUP");
    await until(hub, () => linesWith(hub, "Cannot read the clients' keys again").length === 1);
    const [line] = linesWith(hub, "Cannot read the clients' keys again");
    expect(line).toMatch(/ error Cannot read .*, so the old keys stay in force: /);
    expect(line).toMatch(reason);
    await using stranger = peer(hub, "stranger");
    await until(hub, () => linesWith(hub, "its key is not in client_keys").length > 0);
    await expectOnlyBarn(hub);
    expect(stranger.isAnswered).toBe(false);
  });

  test("serves imagehub send with keys of imagehub keygen", async () => {
    const home = join(temp.path, "home");
    for (const args of [
      ["keygen", "hub2", "--out", temp.path],
      ["keygen", "node", "--out", clientKeys],
    ]) {
      expect(await runCli(args, { home })).toMatchObject({ status: EXIT.ok, stderr: "" });
    }
    await using hub = await startHub({
      settings: {
        hub: { curve: { server_key: join(temp.path, "hub2.key_secret"), client_keys: clientKeys } },
      },
    });
    const send = ["send", "--event", "Node|Temp|1", "--to", `127.0.0.1:${hub.port}`];
    const keys = [
      "--key",
      join(clientKeys, "node.key_secret"),
      "--server-key",
      join(temp.path, "hub2.key"),
    ];
    expect(await runCli([...send, ...keys], { home })).toMatchObject({ status: EXIT.ok });
    expect(await runCli([...send, "--timeout", "1"], { home })).toMatchObject({
      status: EXIT.unanswered,
    });
    expect(hub.log().filter((line) => line.includes("Node|Temp"))).toHaveLength(1);
  });
});

/** The values of the two settings of `curve`. */
const server = (): string => join(temp.path, "hub.key_secret");
const clients = (): string => join(temp.path, "clients");

describe("a hub whose keys cannot be read ends with the status for settings and names the file when", () => {
  beforeEach(() => {
    writeFileSync(server(), formatCertificate(newKeyPair()));
    mkdirSync(clients());
  });

  test.each<[what: string, breaks: () => void, named: () => string]>([
    ["there is no server key", () => rmSync(server()), server],
    [
      "the server key is the public one",
      () => writeFileSync(server(), formatCertificate({ publicKey: newKeyPair().publicKey })),
      server,
    ],
    ["the server key is no certificate", () => writeFileSync(server(), "secret"), server],
    [
      "the server key is a directory",
      () => {
        rmSync(server());
        mkdirSync(server());
      },
      () => "EISDIR",
    ],
    [
      "the server key is more than 256 bits in Z85",
      () =>
        writeFileSync(
          server(),
          formatCertificate({ publicKey: "#".repeat(40), secretKey: "#".repeat(40) }),
        ),
      server,
    ],
    ["there is no directory of client keys", () => rmSync(clients(), { recursive: true }), clients],
    [
      "the directory of client keys is a file",
      () => {
        rmSync(clients(), { recursive: true });
        writeFileSync(clients(), "");
      },
      clients,
    ],
    [
      "a client's key is empty",
      () => writeFileSync(join(clients(), "a.key"), ""),
      () => join(clients(), "a.key"),
    ],
    ...(process.getuid?.() === 0
      ? []
      : ([["nobody may read the server key", () => chmodSync(server(), 0), server]] as [
          string,
          () => void,
          () => string,
        ][])),
  ])("%s", async (_, breaks, named) => {
    breaks();
    const data = join(temp.path, "data");
    const result = await runCli(["run", "--data", data, "--port", String(freePort())], {
      home: join(temp.path, "home"),
      env: { IMAGEHUB_CURVE_SERVER_KEY: server(), IMAGEHUB_CURVE_CLIENT_KEYS: clients() },
    });
    expect(result).toMatchObject({ status: EXIT.config });
    expect(result.stderr).toMatch(/^.* error Cannot read the keys of hub\.curve: .*\n$/);
    expect(result.stderr).toContain(named());
    expect(await Bun.file(join(data, ".imagehub.lock")).exists()).toBe(false);
  });

  test.each([
    ["client_keys is missing", "IMAGEHUB_CURVE_SERVER_KEY", server],
    ["server_key is missing", "IMAGEHUB_CURVE_CLIENT_KEYS", clients],
  ])("%s", async (_, variable, value) => {
    const result = await runCli(["run", "--port", String(freePort())], {
      home: join(temp.path, "home"),
      env: { [variable]: value() },
    });
    expect(result).toMatchObject({ status: EXIT.config });
    expect(result.stderr).toContain(
      "hub.curve.server_key and hub.curve.client_keys must be set together: one of them is missing",
    );
  });
});
