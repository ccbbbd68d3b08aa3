import { dlopen, FFIType } from "bun:ffi";
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import type { Arrivals } from "../../src/receiver/arrivals.ts";
import { Gatekeeper, type GatekeeperSettings } from "../../src/receiver/gatekeeper.ts";
import { libzmqPath } from "#libzmq";
import { formatCertificate } from "../../src/zmq/certificate.ts";
import { newKeyPair } from "../../src/zmq/library.ts";
import { MessageArray } from "../../src/zmq/message.ts";
import { Context, SocketOption, SocketType } from "../../src/zmq/socket.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { runCli } from "../support/hub/cli.ts";
import { createCertificates, CurvePeer, loadCertificate } from "../support/peers/curve.ts";
import { downgrade, DOWNGRADES, STRANGER } from "../support/peers/downgrades.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, stopAndCount, until } from "../support/hub/output.ts";
import { RawPeer } from "../support/peers/raw-peer.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { COMES_MS, Peer, PeerType } from "../support/peers/zmq-peer.ts";
import { greeting, ready } from "../support/peers/zmtp.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

let context: Context;
let temp: TempDir;

beforeEach(() => {
  context = new Context();
  temp = tempDir();
});

afterEach(() => {
  temp[Symbol.dispose]();
  context[Symbol.dispose]();
});

const JPEG = Buffer.concat([Buffer.of(0xff, 0xd8), Buffer.alloc(1000), Buffer.of(0xff, 0xd9)]);

/** Frames of an image and of an event, as a REQ sends them. */
const image = (node: string) => [JSON.stringify({ msg: `${node}|jpg|` }), JPEG] as const;
const event = (node: string) => [JSON.stringify({ msg: `${node}|Temp|1` }), "x"] as const;

/** What a hub has taken in from a node, be it on the disk or in a line of either log. */
function traces(hub: Hub, node: string): string[] {
  return [
    ...hub.images().map(({ name }) => name),
    ...hub.log(),
    ...linesWith(hub, "First message"),
    ...linesWith(hub, "Refused a request"),
  ].filter((text) => text.includes(node));
}

describe("a routing id such as libzmq makes, which a stranger claims", () => {
  const CLAIM = Buffer.of(0, 1, 2, 3, 4);
  const { symbols } = dlopen(libzmqPath(), {
    zmq_socket_get_peer_state: {
      args: [FFIType.ptr, FFIType.ptr, FFIType.u64],
      returns: FFIType.i32,
    },
  });

  /**
   * Whether it stands some time after a stranger has come with it. @param before connections of its
   * address before that
   */
  async function stands(settings: GatekeeperSettings, before = 0): Promise<boolean> {
    // One of its own: an endpoint within a context is free again only some time after its socket
    // was closed.
    using own = new Context();
    using router = own.socket(SocketType.router);
    router.set(SocketOption.linger, 0);
    const refused: string[] = [];
    using gatekeeper = new Gatekeeper(
      own,
      router,
      settings,
      (_, { reason }) => void refused.push(reason),
    );
    const port = freePort();
    router.bind(`tcp://127.0.0.1:${port}`);
    const arrivals = Reflect.get(gatekeeper, "arrivals") as Arrivals;
    for (let count = 0; count < before; count++) arrivals.admit("127.0.0.1", performance.now());
    using stranger = await RawPeer.connect(port, greeting(), ready("DEALER", CLAIM));
    const frame = new MessageArray(1).at(0);
    const state = (): number => {
      gatekeeper.authenticator.update();
      router.tryReceive(frame);
      return symbols.zmq_socket_get_peer_state(router.address, CLAIM, CLAIM.byteLength);
    };
    for (
      const end = performance.now() + COMES_MS;
      refused.length === 0 && state() < 0;
      await Bun.sleep(1)
    ) {
      if (performance.now() > end) throw new Error("Nobody was asked");
    }
    // What follows the answer has time to.
    for (
      const end = performance.now() + 100;
      state() < 0 && performance.now() < end;
      await Bun.sleep(1)
    );
    expect(stranger.isClosed).toBe(false);
    return state() >= 0;
  }
  const open = { allow: [], curve: { server_key: "", client_keys: "" }, max_connections: 10 };

  test("stands where everybody may send", async () => {
    expect(await stands(open)).toBe(true);
  });

  test("does not where its address may not", async () => {
    expect(await stands({ ...open, allow: ["10.0.0.0/8"] })).toBe(false);
  });

  test("does not where too many have come from its address", async () => {
    expect(await stands(open, 999)).toBe(true);
    expect(await stands(open, 1000)).toBe(false);
    expect(await stands({ ...open, max_connections: 1000 }, 1000)).toBe(true);
    expect(await stands({ ...open, max_connections: 1000 }, 2000)).toBe(false);
  });
});

test("a hub lets in 20 a second of an address that has used up its store, says so, and all others at once", async () => {
  await using hub = await startHub({ settings: { hub: { max_connections: 100 } } });
  let greeted = 0;
  for (let round = 0; round < 13; round++) {
    const peers = await Promise.all(
      Array.from({ length: 80 }, () => RawPeer.connect(hub.port, greeting(), ready())),
    );
    await Promise.race([
      Bun.sleep(500),
      Promise.all(peers.map(async (each) => await each.heard("READY").catch(() => undefined))),
    ]);
    greeted += peers.filter((each) => each.received().includes("READY")).length;
    for (const each of peers) each[Symbol.dispose]();
  }
  // 1,040 came.
  await until(hub, () => linesWith(hub, "more than 20 a second come").length === 1);
  expect(linesWith(hub, "more than 20 a second come")[0]).toContain(" from=127.0.0.1");
  expect(greeted).toBeGreaterThanOrEqual(1000);
  using friend = new Peer(context, PeerType.req, `tcp://127.0.0.2:0;127.0.0.1:${hub.port}`);
  friend.send(...image("Friend"));
  expect(friend.receive()).toEqual(["OK"]);
  // The others wait, and have their turn.
  using patient = new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`);
  patient.send(...image("Patient"));
  expect(patient.receive()).toEqual(["OK"]);
  expect(await stopAndCount(hub)).toMatchObject({ status: 0, images: 2 });
});

// Without ZMQ_ZAP_DOMAIN libzmq does not ask about a peer without CURVE: each of these then waits
// for a refusal for ever.
describe("a hub with allow", () => {
  test("takes in from an address of it, and nothing from another", async () => {
    await using hub = await startHub({
      settings: { hub: { allow: ["127.0.0.2/32", "10.0.0.0/8"] } },
    });
    using stranger = new Peer(context, PeerType.dealer, `tcp://127.0.0.1:${hub.port}`);
    // What is sent before the hub has decided waits in the stranger's own memory.
    for (let count = 0; count < 10; count++) stranger.send("", ...image("Stranger"));
    stranger.send("", ...event("Stranger"));
    await until(hub, () => linesWith(hub, "Refused a connection").length > 0);

    using friend = new Peer(context, PeerType.req, `tcp://127.0.0.2:0;127.0.0.1:${hub.port}`);
    friend.send(...image("Friend"));
    expect(friend.receive()).toEqual(["OK"]);
    expect(stranger.receive(0)).toBeUndefined();
    expect(traces(hub, "Stranger")).toEqual([]);
    await until(hub, () => linesWith(hub, "First message from Friend").length > 0);
    expect(linesWith(hub, "First message from Friend")[0]).toEndWith(" address=127.0.0.2");
    expect(linesWith(hub, "Refused a connection")[0]).toMatch(
      /warn {2}Refused a connection: its address is not in allow from=127\.0\.0\.1$/,
    );
    expect(linesWith(hub, "Anyone who can reach this port")).toEqual([]);
    const totals = await stopAndCount(hub);
    expect(totals).toMatchObject({ status: 0, images: 1, events: 0, refused: 0 });
    expect(totals["denied"]).toBeGreaterThan(0);
  });

  test.skipIf(
    !Object.values(networkInterfaces())
      .flat()
      .some((each) => each?.address === "::1"),
  )("tells addresses of IPv6 apart", async () => {
    await using hub = await startHub({ settings: { hub: { allow: ["::1"] } } });
    using stranger = new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`);
    stranger.send(...event("Stranger"));
    await until(hub, () => linesWith(hub, "from=127.0.0.1").length > 0);
    using command = new DisposableStack();
    const home = command.use(tempDir());
    const sent = await runCli(["send", "--event", "Friend|1", "--to", `[::1]:${hub.port}`], {
      home: home.path,
    });
    expect(sent).toMatchObject({ status: EXIT.ok });
    expect(traces(hub, "Stranger")).toEqual([]);
  });

  test("writes one line a second, with a count, while a stranger tries again and again", async () => {
    await using hub = await startHub({ settings: { hub: { allow: ["127.0.0.2"] } } });
    let attempts = 0;
    const start = performance.now();
    while (linesWith(hub, "count=").length < 2) {
      using stranger = await RawPeer.connect(hub.port, greeting(), ready());
      // It is told so, and it is up to the stranger to close first.
      await until(hub, () => stranger.received().includes("ERROR"));
      attempts++;
    }
    const lines = linesWith(hub, "Refused a connection");
    expect(attempts).toBeGreaterThan(lines.length);
    // At once, and then each stands for a whole second.
    expect(lines.length).toBeLessThanOrEqual(2 + (performance.now() - start) / 1000);
    const totals = await stopAndCount(hub);
    const counted = linesWith(hub, "Refused a connection").map((line) =>
      Number(/count=(\d+)/.exec(line)?.[1] ?? 1),
    );
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(totals["denied"]!);
    expect(totals).toMatchObject({ status: 0, events: 0, denied: attempts });
  });
});

test.each(DOWNGRADES.filter(({ waits }) => !waits))(
  "libzmq would take an event by $what, so that the refusals below are no mistake of these bytes",
  async (way) => {
    using router = context.socket(SocketType.router);
    router.set(SocketOption.linger, 0);
    const port = freePort();
    router.bind(`tcp://127.0.0.1:${port}`);
    using _ = await downgrade(port, way);
    const frame = new MessageArray(1).at(0);
    for (const end = performance.now() + COMES_MS; !router.tryReceive(frame); await Bun.sleep(1))
      if (performance.now() > end) throw new Error("It takes nothing");
    while (frame.more && !frame.bytes().includes(STRANGER)) router.receiveRest(frame);
    expect(frame.bytes().toString()).toContain(STRANGER);
  },
);

test.each(DOWNGRADES.filter(({ what, waits }) => waits && what !== "PLAIN"))(
  "a hub that is open takes an event by $what, so that the refusals below are no mistake of these bytes",
  async (way) => {
    await using hub = await startHub();
    using peer = await downgrade(hub.port, way);
    await until(hub, () => traces(hub, STRANGER).length >= 2 && peer.received().includes("OK"));
  },
);

test.each(DOWNGRADES.filter(({ waits }) => !waits))(
  "a hub that is open takes nothing by $what: libzmq asks about none of these",
  async (way) => {
    await using hub = await startHub();
    using peer = await downgrade(hub.port, way);
    await peer.closed();
    expect(traces(hub, STRANGER)).toEqual([]);
  },
);

test.each(DOWNGRADES)("a hub with allow refuses $what from another address", async (way) => {
  await using hub = await startHub({ settings: { hub: { allow: ["127.0.0.2"] } } });
  using peer = await downgrade(hub.port, way);
  await peer.closed();
  expect(traces(hub, STRANGER)).toEqual([]);
  expect(await stopAndCount(hub)).toMatchObject({ status: 0, events: 0, refused: 0 });
});

/** A file with keys that pyzmq made. */
const own = (name: string): string => join(temp.path, "own", name);
const publicKey = (name: string): string => loadCertificate(own(`${name}.key`))[0];

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
  let clientKeys: string;

  beforeEach(() => {
    clientKeys = join(temp.path, "clients");
    createCertificates(join(temp.path, "own"), "hub");
    createCertificates(join(temp.path, "own"), "barn");
    createCertificates(join(temp.path, "own"), "stranger");
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
    expect(linesWith(hub, "Others than its owner can read")).toHaveLength(warnings);
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
      /broken\.key has no public-key in Z85$/,
    ],
    ["the directory is gone", () => renameSync(clientKeys, `${clientKeys}.away`), /ENOENT/],
  ])("keeps the keys that it has when on SIGHUP %s", async (_, breaks, reason) => {
    await using hub = await curveHub();
    breaks();
    process.kill(hub.pid, "SIGHUP");
    await until(hub, () => linesWith(hub, "Cannot read the keys of clients again").length === 1);
    const [line] = linesWith(hub, "Cannot read the keys of clients again");
    expect(line).toMatch(/ error Cannot read .*, those read before stay in force: /);
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
      "hub.curve.server_key and hub.curve.client_keys go together: one of them is missing",
    );
  });
});
