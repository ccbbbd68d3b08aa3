import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { type Connection, Connections, hold } from "../../src/receiver/connections.ts";
import { Monitor } from "../../src/zmq/monitor.ts";
import { Context, type Socket, SocketOption, SocketType } from "../../src/zmq/socket.ts";
import { RawPeer } from "../support/peers/raw-peer.ts";
import { command, frame, greeting, ready } from "../support/peers/zmtp.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { COMES_MS, Peer, PeerType } from "../support/peers/zmq-peer.ts";

/** Connections that may stand at once. */
const MAX = 200;
/** Bytes that their unfinished messages may hold. */
const UNFINISHED_MAX = 3_000_000;

let context: Context;
let router: Socket;
let connections: Connections;
let lines: string[];
let tooMany: string[];
let port: number;

beforeEach(() => {
  context = new Context();
  router = context.socket(SocketType.router);
  lines = [];
  tooMany = [];
  connections = new Connections(new Monitor(router), {
    max: MAX,
    debug: (line) => void lines.push(line),
    unfinishedBytesMax: UNFINISHED_MAX,
    onGivenUp: ({ peer: address }, reason) => {
      if (reason === "tooMany") tooMany.push(address);
      else lines.push(`Given up, ${reason}: ${address}`);
    },
    onFailed: (reason, address) => void lines.push(`Failed: ${reason}: ${address}`),
    onWrongType: (address) => void lines.push(`Wrong type: ${address}`),
  });
  port = freePort();
  router.bind(`tcp://127.0.0.1:${port}`);
});

afterEach(() => {
  connections[Symbol.dispose]();
  router[Symbol.dispose]();
  context[Symbol.dispose]();
});

/** Takes in events until something is so. @throws {Error} when it does not come to that */
async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + COMES_MS;
  for (connections.update(); !isSo(); connections.update()) {
    if (performance.now() > end)
      throw new Error(`${connections.count} connections, ${lines.join(", ")}`);
    await Bun.sleep(1);
  }
}

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(60_000);

/** What stands behind the lines that start with a word. */
const addresses = (word: string): string[] =>
  lines.filter((line) => line.startsWith(word)).map((line) => line.slice(word.length));

const peer = () => new Peer(context, PeerType.req, `tcp://127.0.0.1:${port}`);

test("count follows peers that come and go", async () => {
  expect(connections.count).toBe(0);
  {
    using outer = new DisposableStack();
    outer.use(peer());
    await until(() => connections.count === 1);
    {
      using stack = new DisposableStack();
      for (let index = 0; index < 50; index++) stack.use(peer());
      await until(() => connections.count === 51);
    }
    await until(() => connections.count === 1);
  }
  await until(() => connections.count === 0);
  expect(addresses("Connected: ")).toHaveLength(51);
  expect(addresses("Connected: ").every((address) => /^127\.0\.0\.1:\d+$/.test(address))).toBe(
    true,
  );
  expect(addresses("Disconnected: ").toSorted()).toEqual(addresses("Connected: ").toSorted());
});

test.each<[what: string, opening: string | Uint8Array]>([
  ["sends nothing and hangs up", ""],
  ["sends one byte and hangs up", "\u0001"],
  ["asks for a web page", "GET / HTTP/1.1\r\nHost: data1\r\n\r\n"],
  ["sends a broken greeting", new Uint8Array(200).fill(0xff)],
  ["sends half a greeting", new Uint8Array([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3])],
  [
    "asks for another mechanism",
    Buffer.concat([
      Buffer.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0),
      Buffer.from("PLAIN".padEnd(20, "\0")),
      Buffer.alloc(32),
    ]),
  ],
])("count forgets a stranger that %s", async (_, opening) => {
  using stack = new DisposableStack();
  stack.use(peer());
  await until(() => connections.count === 1);
  for (let round = 0; round < 5; round++) {
    const closed = Promise.withResolvers<void>();
    const socket = connect(port, "127.0.0.1", () => socket.end(opening));
    socket.on("error", () => closed.resolve());
    socket.on("close", () => closed.resolve());
    socket.resume();
    const before = lines.length;
    await until(() =>
      lines
        .slice(before)
        .some((line) => /^Disconnected: (?:127\.0\.0\.1:\d|an address)/.test(line)),
    );
    await closed.promise;
    expect(connections.count).toBe(1);
  }
});

/**
 * Connections at once, at most: this socket has libzmq's own queue of 100, and what does not fit
 * may be lost.
 */
const AT_ONCE = 50;

/** As many connections as may stand, less those that do. */
async function fill(stack: DisposableStack, already = 0): Promise<RawPeer[]> {
  const all: RawPeer[] = [];
  while (all.length + already < MAX) {
    const length = Math.min(AT_ONCE, MAX - already - all.length);
    all.push(...(await Promise.all(Array.from({ length }, () => RawPeer.connect(port)))));
    await until(() => connections.count === all.length + already);
  }
  for (const each of all) stack.use(each);
  return all;
}

/** Says of all that stand that a request has come on them. */
function haveSent(): void {
  for (const fd of Array(1000).keys()) connections.lookUp(fd).messages = 1;
}

describe("more connections than may stand", () => {
  test("are closed, while the others go on, and there is room again when one of those has gone", async () => {
    using stack = new DisposableStack();
    const strangers = await fill(stack);
    haveSent();
    expect(tooMany).toEqual([]);

    for (let round = 1; round <= 10; round++) {
      using further = await RawPeer.connect(port);
      await until(() => further.isClosed);
      await until(() => connections.count === MAX);
      expect(tooMany).toHaveLength(round);
    }
    expect(tooMany.every((address) => /^127\.0\.0\.1:\d+$/.test(address))).toBe(true);
    expect(strangers.filter(({ isClosed }) => isClosed)).toEqual([]);

    strangers[0]![Symbol.dispose]();
    await until(() => connections.count === MAX - 1);
    stack.use(peer());
    await until(() => connections.count === MAX);
    expect(tooMany).toHaveLength(10);
    expect(strangers.slice(1).filter(({ isClosed }) => isClosed)).toEqual([]);
  });

  test("are all closed when they come at once", async () => {
    using stack = new DisposableStack();
    const strangers = await fill(stack);
    haveSent();
    const further = await Promise.all(Array.from({ length: AT_ONCE }, () => RawPeer.connect(port)));
    for (const each of further) stack.use(each);
    await until(
      () =>
        further.every(({ isClosed }) => isClosed) && addresses("Disconnected: ").length === AT_ONCE,
    );
    expect(connections.count).toBe(MAX);
    expect(strangers.filter(({ isClosed }) => isClosed)).toEqual([]);
    expect(tooMany).toHaveLength(AT_ONCE);
    expect(addresses("Disconnected: ").toSorted()).toEqual(tooMany.toSorted());
  });

  test("close the oldest of those that have never sent anything, each in its turn", async () => {
    using stack = new DisposableStack();
    const strangers = await fill(stack);
    connections.lookUp(
      [...Array(1000).keys()].find(
        (fd) => connections.lookUp(fd).peer === addresses("Connected: ")[0],
      )!,
    ).messages = 1;
    const closed = (): number[] =>
      strangers.flatMap(({ isClosed }, index) => (isClosed ? [index] : []));
    for (const count of [1, 2]) {
      stack.use(await RawPeer.connect(port));
      await until(() => closed().length === count && addresses("Disconnected: ").length === count);
      expect(connections.count).toBe(MAX);
    }
    expect(tooMany).toEqual(addresses("Connected: ").slice(1, 3));
    expect(addresses("Disconnected: ")).toEqual(tooMany);
  });
});

/** The connection of a peer, by its own end. */
function connectionOf(address: string): Connection {
  const all = [...Array(1000).keys()].map((fd) => connections.lookUp(fd));
  return all.find((each) => each.peer === address)!;
}

/** A peer that has sent the head of a frame of 100 MB, and so many bytes of it. */
async function unfinished(
  bytes: number,
  messages = 0,
): Promise<{ peer: RawPeer; address: string }> {
  const before = addresses("Connected: ").length;
  const each = await RawPeer.connect(port, greeting(), ready());
  await until(() => addresses("Connected: ").length > before);
  const address = addresses("Connected: ").at(-1)!;
  each.send(frame(0, Buffer.alloc(bytes, 1), 100_000_000n));
  const connection = connectionOf(address);
  connection.messages = messages;
  await until(() => {
    connections.look();
    return connection.unfinishedBytes >= bytes || connection.isClosing;
  });
  return { peer: each, address };
}

describe("messages that are not whole", () => {
  test("may stand for as long as they fit into memory", async () => {
    using first = (await unfinished(1_000_000)).peer;
    using second = (await unfinished(1_000_000, 1)).peer;
    connections.look();
    expect([first.isClosed, second.isClosed]).toEqual([false, false]);
    expect(addresses("Given up")).toEqual([]);
  });

  // With the order of `worst` the other way round it is the camera that is closed.
  test("have the stranger closed that holds the most, then the node that does, and nobody else", async () => {
    using stack = new DisposableStack();
    const camera = await unfinished(1_200_000, 5);
    const small = await unfinished(700_000);
    const stranger = await unfinished(900_000);
    for (const { peer: each } of [camera, small, stranger]) stack.use(each);
    expect(addresses("Given up")).toEqual([]);
    const other = await unfinished(400_000, 1);
    stack.use(other.peer);
    await until(() => stranger.peer.isClosed);
    expect(addresses("Given up, unfinished: ")).toEqual([stranger.address]);
    const large = await unfinished(1_500_000, 1);
    stack.use(large.peer);
    await until(() => small.peer.isClosed && large.peer.isClosed);
    expect(addresses("Given up, unfinished: ")).toEqual([
      stranger.address,
      small.address,
      large.address,
    ]);
    expect([camera.peer.isClosed, other.peer.isClosed]).toEqual([false, false]);
  });

  test("are what has come, less what came whole, however long it takes", async () => {
    const each = await unfinished(500_000, 1);
    using _ = each.peer;
    const connection = connectionOf(each.address);
    for (let round = 1; round <= 3; round++) {
      each.peer.send(Buffer.alloc(100_000));
      await until(() => {
        connections.look();
        return connection.unfinishedBytes >= 500_000 + round * 100_000;
      });
    }
    // All of it has come as messages meanwhile.
    connection.messages++;
    connection.messageBytes += connection.unfinishedBytes;
    connections.look();
    expect(connection.unfinishedBytes).toBe(0);
  });
});

test.each([
  ["PUB", 1],
  ["PUSH", 8],
  ["PULL", 7],
])("a %s socket that connects is told as one of a wrong type", async (_, type) => {
  using socket = context.socket(type);
  socket.set(SocketOption.linger, 0);
  socket.connect(`tcp://127.0.0.1:${port}`);
  await until(() =>
    lines.some((line) => /^(?:Wrong type|Failed: it ended .*): 127\.0\.0\.1:\d+$/.test(line)),
  );
  await until(() => connections.count === 0);
});

test("a peer whose type is wrong and that waits is told as such", async () => {
  using _ = await RawPeer.connect(port, greeting(), ready("PUB"));
  await until(() => addresses("Wrong type: ").length === 1);
  expect(addresses("Wrong type: ")).toEqual(addresses("Connected: "));
});

test("a camera that is sending its first image stays when there are too many, and the oldest that only greeted goes", async () => {
  using stack = new DisposableStack();
  const camera = stack.use(await RawPeer.connect(port, greeting(), ready()));
  camera.send(frame(0, Buffer.alloc(50_000, 1), 100_000n));
  await until(() => addresses("Connected: ").length === 1);
  await until(() => {
    connections.look();
    return connectionOf(addresses("Connected: ")[0]!).unfinishedBytes > 40_000;
  });
  await fill(stack, 1);
  const oldest = addresses("Connected: ")[1]!;
  stack.use(await RawPeer.connect(port));
  await until(() => tooMany.length === 1);
  expect(tooMany).toEqual([oldest]);
  expect(camera.isClosed).toBe(false);
});

describe("hold", () => {
  test("of a connection whose descriptor is another's by now leaves that one alone", async () => {
    const before = await RawPeer.connect(port, greeting());
    await until(() => addresses("Connected: ").length === 1);
    const gone = connectionOf(addresses("Connected: ")[0]!);
    hold(gone)![Symbol.dispose]();
    before[Symbol.dispose]();
    // What the monitor tells is not read: for the connections, the first one stands.
    await Bun.sleep(100);
    using after = await RawPeer.connect(port, greeting());
    await after.heard("NULL");
    expect(gone.isGone).toBe(false);
    expect(hold(gone)).toBeUndefined();
    await until(() => addresses("Connected: ").length === 2);
    const another = connectionOf(addresses("Connected: ")[1]!);
    expect(another.fd).toBe(gone.fd);
    expect(after.isClosed).toBe(false);
    using held = hold(another)!;
    held.shutdown();
    await after.closed();
  });

  test("of one that had gone before it was heard of is not that of its successor", async () => {
    const before = await RawPeer.connect(port, greeting());
    await before.heard("NULL");
    before[Symbol.dispose]();
    await Bun.sleep(100);
    using after = await RawPeer.connect(port, greeting());
    await after.heard("NULL");
    const cookies: (bigint | undefined)[] = [];
    const { accept } = Connections.prototype as unknown as {
      accept: (fd: number, from: string) => void;
    };
    Reflect.set(connections, "accept", (fd: number, from: string) => {
      accept.call(connections, fd, from);
      cookies.push(connections.lookUp(fd).cookie);
    });
    await until(() => cookies.length === 2);
    expect(cookies[0]).toBeUndefined();
    expect(cookies[1]).toBeDefined();
    expect(after.isClosed).toBe(false);
  });

  test("keeps a connection from being mistaken also while libzmq closes it", async () => {
    using first = await RawPeer.connect(port, greeting());
    await until(() => addresses("Connected: ").length === 1);
    const connection = connectionOf(addresses("Connected: ")[0]!);
    using held = hold(connection)!;
    first[Symbol.dispose]();
    await until(() => connections.count === 0);
    using next = await RawPeer.connect(port, greeting());
    await until(() => connections.count === 1);
    expect(connectionOf(addresses("Connected: ")[1]!).fd).toBe(connection.fd);
    held.shutdown();
    await Bun.sleep(50);
    expect(next.isClosed).toBe(false);
  });
});

test("commands of a peer that seldom sends do not count as a message that is not whole", async () => {
  using each = await RawPeer.connect(port, greeting(), ready());
  await until(() => addresses("Connected: ").length === 1);
  const connection = connectionOf(addresses("Connected: ")[0]!);
  const ping = command("PING", Buffer.alloc(2));
  const many = Buffer.concat(Array.from({ length: 12_000 }, () => ping));
  for (let round = 0; round < 3; round++) {
    each.send(many);
    await until(() => {
      connections.look();
      return connection.unfinishedBytes >= many.byteLength;
    });
    // A message comes, whole.
    connection.messages++;
    connections.look();
    expect(connection.unfinishedBytes).toBe(0);
  }
});

test("at gives one object for a connection as long as it stands, and another for whoever comes after it", async () => {
  const find = (address: string | undefined) => {
    const all = [...Array(1000).keys()].map((fd) => ({ fd, connection: connections.lookUp(fd) }));
    return all.find(({ connection }) => connection.peer === address);
  };
  using first = await RawPeer.connect(port);
  await until(() => addresses("Connected: ").length === 1);
  const found = find(addresses("Connected: ")[0])!;
  expect(connections.lookUp(found.fd)).toBe(found.connection);
  found.connection.unanswered = 5;
  first[Symbol.dispose]();
  await until(() => connections.count === 0);
  // What it had sent may still be read: that is counted for nobody.
  expect(connections.lookUp(found.fd)).toMatchObject({
    peer: "an address that is gone already",
    unanswered: 0,
    messages: 0,
    isGone: true,
  });
  expect(found.connection.isGone).toBe(true);
  expect(connections.count).toBe(0);
  using second = await RawPeer.connect(port);
  // Not asked to update: it does so itself where it does not know a descriptor.
  for (let end = performance.now() + COMES_MS; find(addresses("Connected: ")[1]) === undefined;) {
    if (performance.now() > end) throw new Error("No second connection");
    await Bun.sleep(1);
  }
  expect(find(addresses("Connected: ")[1])!.connection.unanswered).toBe(0);
  expect(second.isClosed).toBe(false);
});
