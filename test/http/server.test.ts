import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { HttpServer, plain } from "../../src/http/server.ts";
import { COMES_MS } from "../support/zmq-peer.ts";
import { get } from "../support/http.ts";

setDefaultTimeout(60_000);

const errors: unknown[] = [];
const server = new HttpServer(
  {
    "/here": () => plain(200, "here"),
    "/fails": () => Promise.reject(new Error("a bug")),
  },
  (error) => errors.push(error),
);
let port: number;
let url: string;

beforeAll(async () => {
  port = await server.listen({ host: "127.0.0.1", port: 0 });
  url = `http://127.0.0.1:${port}`;
});
afterAll(() => server.close());

/** A connection on which a test says what it likes. */
class RawClient implements Disposable {
  text = "";
  isClosed = false;
  readonly socket: Socket = connect(port, "127.0.0.1");
  private readonly closed = Promise.withResolvers<void>();

  constructor() {
    this.socket.on("data", (chunk) => (this.text += chunk.toString()));
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => {
      this.isClosed = true;
      this.closed.resolve();
    });
  }

  /** Waits until the server has closed it. @returns false when it does not */
  async untilClosed(): Promise<boolean> {
    await Promise.race([this.closed.promise, Bun.sleep(COMES_MS)]);
    return this.isClosed;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

describe("HttpServer", () => {
  test("answers a route, with or without a query", async () => {
    expect(await get(`${url}/here`)).toEqual([200, "here\n"]);
    expect(await get(`${url}/here?a=b`)).toEqual([200, "here\n"]);
  });

  test("answers HEAD without the text", async () => {
    const response = await fetch(`${url}/here`, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe("5");
    expect(await response.text()).toBe("");
  });

  test.each(["/", "/here/", "/HERE", "/toString", "/__proto__", "/..%2fhere"])(
    "says what there is when asked for %s",
    async (path) => {
      expect(await get(url + path)).toEqual([404, "Not here. There are: /here, /fails\n"]);
    },
  );

  test.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("refuses %s", async (method) => {
    const response = await fetch(`${url}/here`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD");
  });

  test("refuses a body, and closes the connection", async () => {
    using client = new RawClient();
    client.socket.write("GET /here HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
    expect(await client.untilClosed()).toBe(true);
    expect(client.text).toStartWith("HTTP/1.1 413 ");
    expect(client.text).toContain("Connection: close");
  });

  test("refuses a long address", async () => {
    expect(await get(`${url}/${"a".repeat(300)}`)).toEqual([
      414,
      "The address is longer than 256 characters\n",
    ]);
  });

  test("refuses long headers", async () => {
    using client = new RawClient();
    client.socket.write(`GET /here HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(20_000)}\r\n\r\n`);
    expect(await client.untilClosed()).toBe(true);
    expect(client.text).toStartWith("HTTP/1.1 431 ");
  });

  test("tells of a route that fails, and answers 500", async () => {
    expect(await get(`${url}/fails`)).toEqual([500, "This failed; the hub's log says why\n"]);
    expect(errors).toEqual([new Error("a bug")]);
  });

  test.each(["", "GET /here HTT", "nonsense\r\n\r\n"])(
    "closes a connection that sends %j and no more",
    async (sent) => {
      using client = new RawClient();
      client.socket.write(sent);
      expect(await client.untilClosed()).toBe(true);
    },
  );

  test("has so many connections at once and no more, and serves again when they are gone", async () => {
    {
      using stack = new DisposableStack();
      const clients = Array.from({ length: 40 }, () => stack.use(new RawClient()));
      const stand = (): number => clients.filter(({ isClosed }) => !isClosed).length;
      for (let end = performance.now() + COMES_MS; stand() > 16 && performance.now() < end;)
        await Bun.sleep(10);
      expect(stand()).toBeLessThanOrEqual(16);
    }
    for (let end = performance.now() + COMES_MS; performance.now() < end; await Bun.sleep(20)) {
      if ((await get(`${url}/here`).catch(() => [0]))[0] === 200) return;
    }
    throw new Error("It does not serve again");
  });
});

test("HttpServer with a token answers only those who show it", async () => {
  const guarded = new HttpServer({ "/here": () => plain(200, "here") }, () => undefined);
  try {
    guarded.token = "0123456789abcdef";
    const at = `http://127.0.0.1:${await guarded.listen({ host: "127.0.0.1", port: 0 })}`;
    const refused = await fetch(`${at}/here`);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="imagehub"');
    for (const path of ["/here", "/nothing"]) {
      expect(await get(at + path, { headers: { Authorization: "Bearer 0123456789abcdeF" } })).toEqual([
        401,
        "The header Authorization: Bearer TOKEN is missing or wrong; see the setting http.token_file\n",
      ]);
    }
    const headers = { Authorization: "Bearer 0123456789abcdef" };
    expect(await get(`${at}/here`, { headers })).toEqual([200, "here\n"]);
  } finally {
    guarded.close();
  }
});
