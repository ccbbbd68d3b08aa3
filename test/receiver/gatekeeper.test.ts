import { dlopen, FFIType } from "bun:ffi";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Arrivals } from "../../src/receiver/arrivals.ts";
import { Gatekeeper, type GatekeeperSettings } from "../../src/receiver/gatekeeper.ts";
import { libzmqPath } from "#libzmq";
import { MessageArray } from "../../src/zmq/message.ts";
import { Context, SocketOption, SocketType } from "../../src/zmq/socket.ts";
import { RawPeer } from "../support/peers/raw-peer.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { COMES_MS } from "../support/peers/zmq-peer.ts";
import { greeting, ready } from "../support/peers/zmtp.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

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
