import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Monitor, MonitorEvent } from "../../src/zmq/monitor.ts";
import { Context, SocketType } from "../../src/zmq/socket.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import { freeEndpoint, Peer, PeerType, receiveFrames, waitFor } from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(60_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

describe("Monitor", () => {
  test("tells of a connection that comes and goes", () => {
    const endpoint = freeEndpoint();
    using router = context.socket(SocketType.router);
    using monitor = new Monitor(router);
    router.bind(endpoint);
    {
      using dealer = new Peer(context, PeerType.dealer, endpoint);
      const accepted = awaitEvent(monitor, MonitorEvent.accepted);
      expect(accepted.value).toBeGreaterThan(2);
      awaitEvent(monitor, MonitorEvent.handshakeSucceeded);
      expect(dealer.receive(0)).toBeUndefined();
    }
    awaitEvent(monitor, MonitorEvent.disconnected);
    expect(monitor.next()).toBeUndefined();
  });

  test("tells a sender that it is connected", () => {
    const endpoint = freeEndpoint();
    using router = context.socket(SocketType.router);
    router.bind(endpoint);
    using req = context.socket(SocketType.req);
    using monitor = new Monitor(req);
    req.connect(endpoint);
    awaitEvent(monitor, MonitorEvent.connected);
    awaitEvent(monitor, MonitorEvent.handshakeSucceeded);
  });

  test("tells a sender that nobody listens", () => {
    using req = context.socket(SocketType.req);
    using monitor = new Monitor(req);
    req.connect(freeEndpoint());
    awaitEvent(monitor, MonitorEvent.connectRetried);
  });

  test.each<[what: string, answer: string | Uint8Array, event: number]>([
    ["hangs up", "", MonitorEvent.handshakeFailedNoDetail],
    ["is a web server", "HTTP/1.1 400 Bad Request\r\n\r\n", MonitorEvent.handshakeFailedNoDetail],
    [
      "sends a broken greeting",
      new Uint8Array(200).fill(0xff),
      MonitorEvent.handshakeFailedProtocol,
    ],
  ])("tells a sender that who listens %s", async (_, answer, event) => {
    await using server = await listenTcp((socket) => socket.end(answer));
    using req = context.socket(SocketType.req);
    using monitor = new Monitor(req);
    req.connect(`tcp://127.0.0.1:${server.port}`);
    const seen: number[] = [];
    while (!seen.includes(MonitorEvent.disconnected)) {
      // The server is in this thread.
      await Bun.sleep(1);
      for (let next = monitor.next(); next !== undefined; next = monitor.next())
        seen.push(next.event);
    }
    expect(seen).toContain(event);
    expect(seen).not.toContain(MonitorEvent.handshakeSucceeded);
  });

  test("drops none of many events that nobody reads for a while", () => {
    const endpoint = freeEndpoint();
    using router = context.socket(SocketType.router);
    using monitor = new Monitor(router);
    router.bind(endpoint);
    const rounds = 400;
    for (let round = 0; round < rounds; round++) {
      using dealer = new Peer(context, PeerType.dealer, endpoint);
      dealer.send("x");
      expect(receiveFrames(router)).toHaveLength(2);
    }
    const counts = new Map<number, number>();
    const count = (event: number) => counts.get(event) ?? 0;
    while (count(MonitorEvent.disconnected) < rounds) {
      const { event } = nextEvent(monitor);
      counts.set(event, count(event) + 1);
    }
    expect(count(MonitorEvent.accepted)).toBe(rounds);
  });
});

/** @throws {Error} when none comes */
function nextEvent(monitor: Monitor): { event: number; value: number } {
  const next = monitor.next();
  if (next !== undefined) return next;
  waitFor(monitor.socket);
  return monitor.next() ?? { event: 0, value: 0 };
}

/** Skips events up to one. @throws {Error} when it does not come */
function awaitEvent(monitor: Monitor, event: number): { event: number; value: number } {
  for (;;) {
    const next = nextEvent(monitor);
    if (next.event === event) return next;
  }
}
