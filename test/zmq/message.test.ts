import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { MessageArray } from "../../src/zmq/message.ts";
import { Context, SocketType } from "../../src/zmq/socket.ts";
import { freeEndpoint, Peer, PeerType, waitFor } from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(60_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

describe("Message", () => {
  test("holds what came until it is cleared, received into or sent", () => {
    const endpoint = freeEndpoint();
    using router = context.socket(SocketType.router);
    router.bind(endpoint);
    using dealer = new Peer(context, PeerType.dealer, endpoint);
    const large = "z".repeat(100_000);
    dealer.send(large);
    dealer.send("second");
    const messages = new MessageArray(2);
    const [id, body] = [messages.at(0), messages.at(1)];
    waitFor(router);
    expect(router.tryReceive(id)).toBe(true);
    expect(id.more).toBe(true);
    router.receiveRest(body);
    expect([body.more, body.size]).toEqual([false, large.length]);
    expect(body.data).toBeGreaterThan(0);
    expect(body.bytes().toString()).toBe(large);
    expect(id.property("Peer-Address")).toBe("127.0.0.1");
    expect(id.property("Socket-Type")).toBe("DEALER");
    expect(id.property("No-Such-Property")).toBeUndefined();

    const target = Buffer.alloc(large.length + 1, "-");
    body.copyTo(target);
    expect(target.toString()).toBe(`${large}-`);
    expect(() => body.copyTo(Buffer.alloc(large.length - 1))).toThrow(RangeError);

    // The envelope and the body go back as they are, and are empty then.
    router.sendMessage(id, true);
    router.sendMessage(body, false);
    expect([id.size, body.size]).toEqual([0, 0]);
    expect(dealer.receive()).toEqual([large]);

    waitFor(router);
    expect(router.tryReceive(id)).toBe(true);
    router.receiveRest(body);
    expect(body.bytes().toString()).toBe("second");
    body.clear();
    expect([body.size, body.more, body.bytes().length]).toEqual([0, false, 0]);
  });

  test("keeps its memory when the array is let go of and the collector runs", () => {
    // With the address alone held, libzmq finds other things there: EFAULT, or a crash.
    const kept = Array.from({ length: 50 }, () => new MessageArray(1).at(0));
    using router = context.socket(SocketType.router);
    let garbage: Uint8Array[] = [];
    for (let round = 0; round < 20; round++) {
      garbage = Array.from({ length: 1000 }, () => new Uint8Array(64).fill(0xff));
      Bun.gc(true);
      for (const message of kept) {
        expect(router.tryReceive(message)).toBe(false);
        expect([message.size, message.more]).toEqual([0, false]);
      }
    }
    expect(garbage).toHaveLength(1000);
  });

  test("is not there beyond the end of an array", () => {
    expect(() => new MessageArray(2).at(2)).toThrow(new RangeError("No message 2 of 2"));
  });

  test("frees what it holds when the next is received into it", () => {
    const endpoint = freeEndpoint();
    using router = context.socket(SocketType.router);
    router.bind(endpoint);
    using dealer = new Peer(context, PeerType.dealer, endpoint);
    const payload = new Uint8Array(4_000_000);
    const messages = new MessageArray(2);
    const pass = () => {
      dealer.send(payload);
      waitFor(router);
      router.tryReceive(messages.at(0));
      router.receiveRest(messages.at(1));
    };
    for (let round = 0; round < 20; round++) pass();
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 100; round++) pass();
    // 400 MB went through.
    expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000);
    messages.at(1).clear();
  });
});
