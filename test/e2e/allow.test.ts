/**
 * Who may send by address, end to end: the setting `allow`, the pace of connections, and peers that
 * leave security out.
 *
 * @module
 */

import { traces } from "../support/hub/traces.ts";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { EXIT } from "../../src/errors.ts";
import { MessageArray } from "../../src/zmq/message.ts";
import { Context, SocketOption, SocketType } from "../../src/zmq/socket.ts";
import { runCli } from "../support/hub/cli.ts";
import { downgrade, DOWNGRADES, STRANGER } from "../support/peers/downgrades.ts";
import { startHub } from "../support/hub/hub.ts";
import { linesWith, stopAndCount, until } from "../support/hub/output.ts";
import { RawPeer } from "../support/peers/raw-peer.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir } from "../support/machine/temp.ts";
import { COMES_MS, Peer, PeerType } from "../support/peers/zmq-peer.ts";
import { greeting, ready } from "../support/peers/zmtp.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

const JPEG = Buffer.concat([Buffer.of(0xff, 0xd8), Buffer.alloc(1000), Buffer.of(0xff, 0xd9)]);

/** Frames of an image and of an event, as a REQ sends them. */
const image = (node: string) => [JSON.stringify({ msg: `${node}|jpg|` }), JPEG] as const;
const event = (node: string) => [JSON.stringify({ msg: `${node}|Temp|1` }), "x"] as const;

test("a hub lets in 20 a second of an address that has used up its store, says so, and all others at once", async () => {
  await using hub = await startHub({ settings: { hub: { max_connections: 100 } } });
  let greeted = 0;
  const saysSo = (): number => linesWith(hub, "more than 20 a second come").length;
  // 1,040 come; more where the machine is so slow that the store fills again meanwhile.
  for (let round = 0; round < 13 || saysSo() === 0; round++) {
    const peers = await Promise.all(
      Array.from({ length: 80 }, () => RawPeer.connect(hub.port, greeting(), ready())),
    );
    await Promise.race([
      Bun.sleep(2000),
      Promise.all(peers.map(async (each) => await each.heard("READY").catch(() => undefined))),
    ]);
    greeted += peers.filter((each) => each.received().includes("READY")).length;
    for (const each of peers) each[Symbol.dispose]();
  }
  expect(saysSo()).toBe(1);
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
