import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync } from "node:fs";
import { EventFd } from "../../src/os/wait.ts";
import { Poller } from "../../src/zmq/poller.ts";
import { Context, SocketType } from "../../src/zmq/socket.ts";
import {
  COMES_MS,
  freeEndpoint,
  Peer,
  PeerType,
  receiveFrames,
  waitFor,
} from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(60_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

describe("Poller", () => {
  test("tells a socket from an event", () => {
    const endpoint = freeEndpoint();
    using router = context.socket(SocketType.router);
    router.bind(endpoint);
    const wake = EventFd.create();
    try {
      const poller = new Poller([router, wake]);
      const seen = (timeoutMs: number) => {
        poller.wait(timeoutMs);
        return [poller.readable(0), poller.readable(1)];
      };
      expect(seen(0)).toEqual([false, false]);
      wake.signal();
      wake.signal();
      expect(seen(COMES_MS)).toEqual([false, true]);
      using dealer = new Peer(context, PeerType.dealer, endpoint);
      dealer.send("x");
      waitFor(router);
      expect(seen(0)).toEqual([true, true]);
      wake.clear();
      expect(seen(0)).toEqual([true, false]);
      expect(receiveFrames(router)).toHaveLength(2);
      expect(seen(0)).toEqual([false, false]);
      // Nothing to take is no error.
      wake.clear();
      expect(seen(1)).toEqual([false, false]);
    } finally {
      closeSync(wake.fd);
    }
  });

  test("leaves out a source that is not wanted, and finds it when it is wanted again", () => {
    const endpoint = freeEndpoint();
    using router = context.socket(SocketType.router);
    router.bind(endpoint);
    using dealer = new Peer(context, PeerType.dealer, endpoint);
    dealer.send("x");
    const poller = new Poller([router]);
    poller.wait(COMES_MS);
    expect(poller.readable(0)).toBe(true);
    poller.want(0, false);
    poller.wait(20);
    expect(poller.readable(0)).toBe(false);
    poller.want(0, true);
    poller.wait(COMES_MS);
    expect(poller.readable(0)).toBe(true);
    expect(receiveFrames(router)).toHaveLength(2);
  });

  test("finds what comes while the source is not wanted", () => {
    const endpoint = freeEndpoint();
    using router = context.socket(SocketType.router);
    router.bind(endpoint);
    using dealer = new Peer(context, PeerType.dealer, endpoint);
    const poller = new Poller([router]);
    for (let round = 0; round < 20; round++) {
      poller.want(0, false);
      dealer.send(`${round}`);
      poller.wait(round % 3);
      poller.want(0, true);
      poller.wait(COMES_MS);
      expect(poller.readable(0)).toBe(true);
      expect(receiveFrames(router)?.at(-1)?.toString()).toBe(`${round}`);
    }
  });
});
