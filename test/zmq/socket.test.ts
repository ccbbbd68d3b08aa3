import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync } from "node:fs";
import { constants as os } from "node:os";
import { EventFd } from "../../src/os/wait.ts";
import { checkZmqVersion, ZmqError, zmqVersion } from "../../src/zmq/library.ts";
import { MessageArray } from "../../src/zmq/message.ts";
import { Monitor, MonitorEvent } from "../../src/zmq/monitor.ts";
import { Poller } from "../../src/zmq/poller.ts";
import { Context, type Socket, SocketType } from "../../src/zmq/socket.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { COMES_MS, Peer, PeerType, receiveFrames, sendFrames } from "../support/peers/zmq-peer.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(60_000);

let context: Context;

beforeEach(() => {
  context = new Context();
});

afterEach(() => {
  // Hangs where a test left a socket open: that is a failure too.
  context[Symbol.dispose]();
});

function freeEndpoint(): string {
  return `tcp://127.0.0.1:${freePort()}`;
}

/** What an action throws, in the parts that callers look at. */
function failure(
  action: () => unknown,
): { function: string; errno: number; message: string } | undefined {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(ZmqError);
    const { function: name, errno, message } = error as ZmqError;
    return { function: name, errno, message };
  }
  return undefined;
}

test("zmqVersion tells the version of the library that the package holds", () => {
  expect(zmqVersion()).toMatch(/^4\.\d+\.\d+$/);
  expect(() => checkZmqVersion()).not.toThrow();
});

describe("bind and connect throw the function, errno and text of libzmq when", () => {
  const { EADDRINUSE, EINVAL, ENODEV, EPROTONOSUPPORT } = os.errno;

  test("a port is in use by another socket of libzmq", () => {
    const endpoint = freeEndpoint();
    using first = context.socket(SocketType.router);
    first.bind(endpoint);
    using second = context.socket(SocketType.router);
    const message = `Address already in use (zmq_bind, errno ${EADDRINUSE})`;
    expect(failure(() => second.bind(endpoint))).toEqual({
      function: "zmq_bind",
      errno: EADDRINUSE,
      message,
    });
  });

  test("a port is in use by any other socket", async () => {
    await using server = await listenTcp(() => {});
    using socket = context.socket(SocketType.router);
    const endpoint = `tcp://127.0.0.1:${server.port}`;
    expect(failure(() => socket.bind(endpoint))).toMatchObject({
      function: "zmq_bind",
      errno: EADDRINUSE,
    });
  });

  test.each<[endpoint: string, errno: number]>([
    ["", EINVAL],
    ["tcp", EINVAL],
    ["tcp://", EINVAL],
    ["tcp://127.0.0.1", EINVAL],
    ["tcp://no-such-interface:5555", ENODEV],
    ["carrier-pigeon://127.0.0.1:5555", EPROTONOSUPPORT],
  ])("the endpoint to bind is %j", (endpoint, errno) => {
    using socket = context.socket(SocketType.router);
    expect(failure(() => socket.bind(endpoint))).toMatchObject({ function: "zmq_bind", errno });
  });

  test("the socket is monitored, as where it is not", () => {
    // A monitor of all events overwrites errno as the bind fails: EAGAIN for ENODEV.
    using socket = context.socket(SocketType.router);
    using monitor = new Monitor(socket);
    const endpoint = "tcp://no-such-interface:5555";
    expect(failure(() => socket.bind(endpoint))).toMatchObject({
      function: "zmq_bind",
      errno: ENODEV,
    });
    expect(monitor.next()).toBeUndefined();
  });

  test.each<[endpoint: string, errno: number]>([
    ["tcp://*:5555", EINVAL],
    ["tcp://a b:5555", EINVAL],
    ["carrier-pigeon://127.0.0.1:5555", EPROTONOSUPPORT],
  ])("the endpoint to connect to is %j", (endpoint, errno) => {
    using socket = context.socket(SocketType.req);
    expect(failure(() => socket.connect(endpoint))).toMatchObject({
      function: "zmq_connect",
      errno,
    });
  });
});

test("other calls throw the function, errno and text of libzmq when they fail", () => {
  using req = context.socket(SocketType.req);
  expect(failure(() => req.set(12_345, 1))).toEqual({
    function: "zmq_setsockopt",
    errno: os.errno.EINVAL,
    message: `Invalid argument (zmq_setsockopt, errno ${os.errno.EINVAL})`,
  });
  expect(failure(() => context.socket(99))).toMatchObject({
    function: "zmq_socket",
    errno: os.errno.EINVAL,
  });
  // Not connected, so it would have to wait.
  expect(failure(() => req.send(Buffer.from("x"), false))).toMatchObject({
    function: "zmq_send",
    errno: os.errno.EAGAIN,
  });
  const message = new MessageArray(1).at(0);
  expect(failure(() => req.sendMessage(message, false))).toMatchObject({
    function: "zmq_msg_send",
    errno: os.errno.EAGAIN,
  });
  // REQ has nothing to receive before it has sent; EFSM is libzmq's own.
  const efsm = failure(() => req.tryReceive(message));
  expect(efsm).toMatchObject({ function: "zmq_msg_recv" });
  expect(efsm?.message).toStartWith("Operation cannot be accomplished in current state");
});

test("a socket frees its address when it is disposed of", () => {
  const endpoint = freeEndpoint();
  for (let round = 0; round < 3; round++) {
    using own = new Context();
    using socket = own.socket(SocketType.router);
    socket.bind(endpoint);
  }
});

describe("frames arrive as they were sent when they are", () => {
  const cases: Record<string, readonly (string | Uint8Array)[]> = {
    "one of a byte": ["x"],
    "one that is empty": [""],
    "empty at both ends": ["", "x", ""],
    "of 29, 30, 33 and 34 bytes, where libzmq stores them otherwise": [29, 30, 33, 34].map((n) =>
      "y".repeat(n),
    ),
    "of 255 and 256 bytes, where the wire has them otherwise": ["a".repeat(255), "b".repeat(256)],
    "of 3 MB": [new Uint8Array(3_000_000).fill(7), "end"],
    "part of a larger buffer": [new Uint8Array([1, 2, 3, 4, 5, 6]).subarray(2, 5)],
    "a thousand": Array.from({ length: 1000 }, (_, index) => `frame ${index}`),
  };
  test.each(Object.keys(cases))("%s", (name) => {
    const frames = cases[name] ?? [];
    const endpoint = freeEndpoint();
    using router = context.socket(SocketType.router);
    router.bind(endpoint);
    using dealer = new Peer(context, PeerType.dealer, endpoint);
    dealer.send(...frames);
    const [id, ...received] = receiveFrames(router) ?? [];
    expect(received.length).toBe(frames.length);
    expect(received.every((frame, index) => frame.equals(Buffer.from(frames[index]!)))).toBe(true);

    sendFrames(router, [id!, ...frames]);
    const back = receiveFrames(dealer.socket) ?? [];
    expect(back.length).toBe(frames.length);
    expect(back.every((frame, index) => frame.equals(Buffer.from(frames[index]!)))).toBe(true);
  });
});

test("send gives the bytes of its buffer when the collector runs between and during the sends", () => {
  const endpoint = freeEndpoint();
  using router = context.socket(SocketType.router);
  router.bind(endpoint);
  using dealer = new Peer(context, PeerType.dealer, endpoint);
  dealer.send("hello");
  const [id] = receiveFrames(router) ?? [];
  const rounds = 60;
  const each = 50;
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < each; index++) {
      // Buffers that nothing holds once they are sent, beside garbage of the same size that is
      // overwritten.
      router.send(Buffer.from(id!), true);
      router.send(Buffer.from(`reply ${round}.${index}`), false);
      Buffer.from(`other ${round}.${index}`).fill(0);
    }
    Bun.gc(true);
    for (let index = 0; index < each; index++)
      expect(dealer.receive()).toEqual([`reply ${round}.${index}`]);
  }
});

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

test("tryReceive gives false when there is nothing to receive", () => {
  using router = context.socket(SocketType.router);
  const message = new MessageArray(1).at(0);
  expect(router.tryReceive(message)).toBe(false);
  expect(failure(() => router.receiveRest(message))).toMatchObject({ function: "zmq_msg_recv" });
});

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

/** Waits until a socket is readable. @throws {Error} when it is not in time */
function waitFor(socket: Socket): void {
  const poller = new Poller([socket]);
  poller.wait(COMES_MS);
  if (!poller.readable(0)) throw new Error("Nothing came");
}
