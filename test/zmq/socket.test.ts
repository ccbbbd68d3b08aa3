import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { constants as os } from "node:os";
import { ZmqError } from "../../src/zmq/library.ts";
import { MessageArray } from "../../src/zmq/message.ts";
import { Monitor } from "../../src/zmq/monitor.ts";
import { Context, SocketType } from "../../src/zmq/socket.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import {
  freeEndpoint,
  Peer,
  PeerType,
  receiveFrames,
  sendFrames,
} from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(60_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

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

test("tryReceive gives false when there is nothing to receive", () => {
  using router = context.socket(SocketType.router);
  const message = new MessageArray(1).at(0);
  expect(router.tryReceive(message)).toBe(false);
  expect(failure(() => router.receiveRest(message))).toMatchObject({ function: "zmq_msg_recv" });
});
