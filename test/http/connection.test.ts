/**
 * Limits of HTTP connections in memory and time, against peers that send too much, read nothing, or
 * are too many.
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Answer, partsThatEnd, plain, type Route } from "../../src/http/answer.ts";
import { HttpServer } from "../../src/http/server.ts";
import { get } from "../support/hub/http.ts";
import { RawHttp } from "../support/peers/raw-http.ts";

setDefaultTimeout(60_000);

const PLACES = 40;
const PLACES_FEW = 8;
const KIB = 1024;
const MIB = 1024 * KIB;

const errors: unknown[] = [];
let asked = 0;
/** Parts that were requested, and answers in parts that have ended. */
let parts = 0;
let ended = 0;
/** Answers in parts that have let go of what they held, also if they had not begun. */
let released = 0;

async function* bytes(count: number, size = 64 * KIB): AsyncGenerator<Uint8Array> {
  try {
    for (let part = 0; part < count; part++) {
      parts++;
      yield await Promise.resolve(Buffer.alloc(size, "p"));
    }
  } finally {
    ended++;
  }
}

/** One part, and then none until the peer is gone. */
async function* events(gone: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield Buffer.from("data: one\n\n");
    const { promise, reject } = Promise.withResolvers<never>();
    gone.addEventListener("abort", () => reject(new Error("gone")));
    await promise;
  } finally {
    ended++;
  }
}

const inParts = (body: Answer["body"]): Answer => ({ status: 200, type: "text/plain", body });
const large = Buffer.alloc(2 * MIB, "l");

const routes: Readonly<Record<string, Route>> = {
  "/here": () => plain(200, "here"),
  "/slow": async () => {
    await Bun.sleep(200);
    return plain(200, "slow");
  },
  "/counted": () => {
    asked++;
    return inParts(large.subarray(0, 64 * KIB));
  },
  "/large": () => inParts(large),
  "/huge": () => inParts(Buffer.alloc(24 * MIB, "h")),
  "/parts": () => inParts(bytes(3, 5)),
  "/held": () => inParts(partsThatEnd(bytes(3, 5), () => released++)),
  "/sized": () => ({ ...inParts(bytes(3, 5)), length: 15 }),
  "/endless": () => inParts(bytes(Number.POSITIVE_INFINITY)),
  "/events": ({ gone }) => inParts(events(gone)),
  "/breaks": () =>
    inParts(
      (async function* () {
        yield await Promise.resolve(Buffer.from("a"));
        throw new Error("a bug");
      })(),
    ),
};
/** Answers a POST with its path and its body. */
const rest: Route = ({ method, path, body }) =>
  plain(200, `${method} ${path} ${Buffer.from(body).toString()}.`);
const server = new HttpServer({ routes, rest }, PLACES, (error) => errors.push(error));
/** With so few places that the limit on waiting data is not reached when all are taken. */
const small = new HttpServer({ routes }, PLACES_FEW, (error) => errors.push(error));
let port: number;
let smallPort: number;
let url: string;

beforeAll(() => {
  port = server.listen({ host: "127.0.0.1", port: 0 });
  smallPort = small.listen({ host: "127.0.0.1", port: 0 });
  url = `http://127.0.0.1:${port}`;
});
afterAll(() => {
  server.close();
  small.close();
});

const ask = (path: string, more = ""): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

/** Whether a new connection that sends a whole request is answered. */
async function isServed(at: number): Promise<boolean> {
  using client = new RawHttp(at);
  client.send(ask("/here"));
  return await client
    .until(() => client.text.endsWith("here\n") || client.socket.destroyed)
    .then(() => client.answers === 1);
}

/** A peer that has sent this and reads nothing. */
function deaf(text: string, at = port): RawHttp {
  const client = new RawHttp(at);
  client.socket.pause();
  client.send(text);
  return client;
}

/**
 * Connects a number of peers one after the other. If all came at once, most would have to try again
 * after some seconds.
 */
async function oneByOne(count: number, make: () => RawHttp): Promise<RawHttp[]> {
  const clients: RawHttp[] = [];
  while (clients.length < count) {
    const client = make();
    expect(await client.until(() => !client.socket.connecting)).toBe(true);
    clients.push(client);
  }
  return clients;
}

const post = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

describe("an HTTP connection", () => {
  test("is not answered further while its peer reads nothing", async () => {
    asked = 0;
    using client = deaf(ask("/counted").repeat(100));
    await client.until(() => asked > 0);
    // As many as fit into the buffers of two sockets.
    let before = -1;
    for (; before !== asked; await Bun.sleep(300)) before = asked;
    expect(asked).toBeLessThan(90);
    client.socket.resume();
    expect(await client.until(() => client.answers === 100)).toBe(true);
  });

  test("takes the body of a POST, however it comes", async () => {
    using client = new RawHttp(port);
    for (const byte of post("/slowly", "abc")) {
      client.send(byte);
      await Bun.sleep(1);
    }
    expect(await client.until(() => client.text.includes("POST /slowly abc."))).toBe(true);
    // One after the other, sent at once, and the longest there may be.
    client.send(post("/one", "1") + post("/none", "") + ask("/here"));
    expect(await client.until(() => client.text.endsWith("here\n"))).toBe(true);
    expect(client.text).toMatch(/POST \/one 1\.[^]*POST \/none \.[^]*here\n$/);
    client.send(post("/long", "x".repeat(65_536)));
    expect(await client.until(() => client.text.includes(`${"x".repeat(65_536)}.`))).toBe(true);
    expect(client.isClosed).toBe(false);
  });

  test("ends when a body is too long, or does not come", async () => {
    using long = new RawHttp(port);
    long.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n");
    expect(await long.untilClosed()).toBe(true);
    expect(long.text).toStartWith("HTTP/1.1 413 ");
    using missing = new RawHttp(port);
    missing.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabc");
    expect(await missing.untilClosed()).toBe(true);
    expect(missing.text).toBe("");
  });

  test("ends with the answer when its peer sends far ahead, and that answer arrives", async () => {
    asked = 0;
    using client = new RawHttp(port);
    client.send(ask("/counted").repeat(2000));
    expect(await client.untilClosed()).toBe(true);
    expect(client.text.length).toBeGreaterThan(asked * 64 * KIB);
    expect(asked).toBeLessThan(500);
  });

  test("ends at once when its peer goes on to send what nobody wants", async () => {
    using client = new RawHttp(port);
    client.send("GET /here HTTP/1.1\r\nX: ");
    let taken = 0;
    const more = (): void =>
      void client.socket.write(large, (error) => {
        if (error instanceof Error || client.socket.destroyed || taken > 100) return;
        taken++;
        more();
      });
    more();
    expect(await client.until(() => client.socket.destroyed)).toBe(true);
    expect(taken).toBeLessThan(100);
  });

  test("is answered when its peer has ended its own side, also if that takes a while", async () => {
    using client = new RawHttp(port);
    client.socket.end(ask("/slow"));
    expect(await client.untilClosed()).toBe(true);
    expect(client.text).toEndWith("\r\n\r\nslow\n");
  });

  test("is cut when its peer takes nothing of an answer for too long", async () => {
    using client = deaf(ask("/endless"));
    const before = ended;
    const isCut = (): boolean => ended === before + 1;
    expect(await client.until(isCut)).toBe(true);
    expect(client.text).toBe("");
  });
});

test("an answer that is longer than all that may wait arrives, if nobody else waits", async () => {
  expect((await (await fetch(`${url}/huge`)).bytes()).byteLength).toBe(24 * MIB);
});

describe("an answer in parts", () => {
  test("arrives whole, with chunks where the peer knows them", async () => {
    expect(await get(`${url}/parts`)).toEqual([200, "ppppp".repeat(3)]);
    expect((await fetch(`${url}/parts`)).headers.get("transfer-encoding")).toBe("chunked");
    using old = new RawHttp(port);
    old.send("GET /parts HTTP/1.0\r\n\r\n");
    expect(await old.untilClosed()).toBe(true);
    expect(old.text).toEndWith(`\r\n\r\n${"ppppp".repeat(3)}`);
    const head = await fetch(`${url}/parts`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("whose length is known says it, and needs no chunks", async () => {
    for (const method of ["GET", "HEAD"]) {
      const { headers } = await fetch(`${url}/sized`, { method });
      expect(headers.get("content-length")).toBe("15");
      expect(headers.get("transfer-encoding")).toBeNull();
    }
    expect(await get(`${url}/sized`)).toEqual([200, "ppppp".repeat(3)]);
  });

  test("that nobody takes lets go of what it holds", async () => {
    released = 0;
    const before = ended;
    expect((await fetch(`${url}/held`, { method: "HEAD" })).status).toBe(200);
    expect(released).toBe(1);
    {
      using stack = new DisposableStack();
      const others = await oneByOne(PLACES / 2, () => stack.use(new RawHttp(port)));
      for (const other of others) other.send(ask("/events"));
      const all = (): boolean => others.every(({ text }) => text.includes("data: one"));
      expect(await others[0]!.until(all)).toBe(true);
      expect((await fetch(`${url}/held`)).status).toBe(503);
    }
    using last = new RawHttp(port);
    expect(await last.until(() => ended === before + PLACES / 2)).toBe(true);
    expect(released).toBe(2);
  });

  test("is asked for no more than the peer takes, and ended when the peer goes", async () => {
    parts = 0;
    const before = ended;
    using client = deaf(ask("/endless"));
    let seen = -1;
    for (; seen !== parts; await Bun.sleep(300)) seen = parts;
    expect(parts).toBeGreaterThan(0);
    // The kernel's buffers of both sides, which are megabytes if nobody limits them.
    expect(parts * 64 * KIB).toBeLessThan(2 * MIB);
    client.socket.destroy();
    expect(await client.until(() => ended === before + 1)).toBe(true);
  });

  test("is told that the peer is gone while it waits for something to send", async () => {
    const before = ended;
    using client = new RawHttp(port);
    client.send(ask("/events"));
    expect(await client.until(() => client.text.includes("data: one"))).toBe(true);
    client.socket.destroy();
    expect(await client.until(() => ended === before + 1)).toBe(true);
    expect(errors).toEqual([]);
  });

  test("that fails is told of, and breaks off so that the peer sees it", async () => {
    using client = new RawHttp(port);
    client.send(ask("/breaks"));
    expect(await client.untilClosed()).toBe(true);
    expect(client.text).not.toContain("\r\n0\r\n");
    expect(errors.splice(0)).toEqual([new Error("a bug")]);
  });

  test("takes half of the places at most, and leaves the others to those who ask for something short", async () => {
    const before = ended;
    {
      using stack = new DisposableStack();
      const clients = await oneByOne(PLACES, () => stack.use(new RawHttp(port)));
      for (const client of clients) client.send(ask("/events"));
      const status = (code: number): number =>
        clients.filter(({ text }) => text.startsWith(`HTTP/1.1 ${code} `)).length;
      expect(await clients[0]!.until(() => status(200) + status(503) === PLACES)).toBe(true);
      expect(status(200)).toBe(PLACES / 2);
      // There are many of them, and the other half is closed for new ones.
      for (let count = 0; count < PLACES; count++) expect(await isServed(port)).toBe(true);
      expect(
        clients.filter(({ text, isClosed }) => text.includes("data: one") && !isClosed),
      ).toHaveLength(PLACES / 2);
    }
    using next = new RawHttp(port);
    expect(await next.until(() => ended === before + PLACES / 2)).toBe(true);
    next.send(ask("/events"));
    expect(await next.until(() => next.text.startsWith("HTTP/1.1 200 "))).toBe(true);
  });
});

describe("too many HTTP connections", () => {
  test.each([
    ["say nothing", ""],
    ["send a request and never its end", "GET /here HTTP/1.1\r\nX: "],
    ["have been answered", ask("/here")],
    ["do not read their answer", ask("/large")],
    ["were told that they have sent nonsense", "nonsense\r\n\r\n"],
  ])("that %s: one that sends a whole request is answered", async (_, text) => {
    using stack = new DisposableStack();
    const clients = await oneByOne(3 * PLACES_FEW, () => stack.use(deaf(text, smallPort)));
    const stand = (): number => clients.filter(({ socket }) => !socket.destroyed).length;
    expect(await clients[0]!.until(() => stand() <= PLACES_FEW)).toBe(true);
    // So that the data of the last one has arrived too.
    await Bun.sleep(200);
    for (let count = 0; count < 3; count++) expect(await isServed(smallPort)).toBe(true);
  });

  test("that come all at once: the first of them that sends a whole request is answered", async () => {
    using stack = new DisposableStack();
    const [first] = Array.from({ length: 3 * PLACES }, (_, index) =>
      stack.use(deaf(index === 0 ? ask("/here") : "", port)),
    );
    first!.socket.resume();
    expect(await first!.until(() => first!.answers === 1 || first!.socket.destroyed)).toBe(true);
    expect(first!.answers).toBe(1);
  });

  test("do not hold more than a bounded number of bytes together", async () => {
    using stack = new DisposableStack();
    const clients = await oneByOne(PLACES - 5, () => stack.use(deaf(ask("/large"))));
    const cut = (): number => clients.filter(({ socket }) => socket.destroyed).length;
    expect(await clients[0]!.until(() => cut() > 10)).toBe(true);
    let before = -1;
    for (; before !== cut(); await Bun.sleep(300)) before = cut();
    const left = clients.filter(({ socket }) => !socket.destroyed);
    expect(left.length).toBeGreaterThan(5);
    for (const { socket } of left) socket.resume();
    const whole = (): number => left.filter(({ text }) => text.length > large.length).length;
    expect(await left[0]!.until(() => whole() === left.length)).toBe(true);
  });
});
