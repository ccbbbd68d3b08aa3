import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { plain } from "../../src/http/answer.ts";
import { HttpServer } from "../../src/http/server.ts";
import { get } from "../support/hub/http.ts";
import { RawHttp } from "../support/peers/raw-http.ts";

setDefaultTimeout(60_000);

const errors: unknown[] = [];
const server = new HttpServer(
  {
    routes: {
      "/here": () => plain(200, "here"),
      "/fails": () => Promise.reject(new Error("a bug")),
    },
  },
  16,
  (error) => errors.push(error),
);
let port: number;
let url: string;

beforeAll(() => {
  port = server.listen({ host: "127.0.0.1", port: 0 });
  url = `http://127.0.0.1:${port}`;
});
afterAll(() => server.close());

const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** The whole answer to a request with these headers, after which the connection ends. */
async function answerTo(headers: string, version = "1.1"): Promise<string> {
  using client = new RawHttp(port);
  client.send(`GET /here HTTP/${version}\r\n${headers}Connection: close\r\n\r\n`);
  await client.untilClosed();
  return client.text;
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
      expect(await get(url + path)).toEqual([404, "Not found. Available: /here, /fails\n"]);
    },
  );

  test.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("refuses %s", async (method) => {
    const response = await fetch(`${url}/here`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD");
  });

  test("refuses a body, and closes the connection", async () => {
    using client = new RawHttp(port);
    client.send("GET /here HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n");
    expect(await client.untilClosed()).toBe(true);
    expect(client.text).toStartWith("HTTP/1.1 413 ");
    expect(client.text).toContain("Connection: close");
  });

  test("refuses a long address", async () => {
    expect(await get(`${url}/${"a".repeat(5000)}`)).toEqual([
      414,
      "The address is longer than 4096 characters\n",
    ]);
  });

  test("refuses long headers", async () => {
    using client = new RawHttp(port);
    client.send(`GET /here HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(20_000)}\r\n\r\n`);
    expect(await client.untilClosed()).toBe(true);
    expect(client.text).toStartWith("HTTP/1.1 431 ");
  });

  test("tells of a route that fails, and answers 500", async () => {
    expect(await get(`${url}/fails`)).toEqual([
      500,
      "This failed; see the hub's log for the reason\n",
    ]);
    expect(errors).toEqual([new Error("a bug")]);
  });

  test.each(["", "GET /here HTT", "nonsense\r\n\r\n"])(
    "closes a connection that sends %j and no more",
    async (sent) => {
      using client = new RawHttp(port);
      client.send(sent);
      expect(await client.untilClosed()).toBe(true);
    },
  );

  test("answers a peer that has ended its own side", async () => {
    using client = new RawHttp(port);
    client.socket.end("GET /here HTTP/1.0\r\n\r\n");
    expect(await client.untilClosed()).toBe(true);
    expect(client.text).toEndWith("\r\n\r\nhere\n");
  });

  test("keeps a connection for further requests, and answers those sent at once in their order", async () => {
    using client = new RawHttp(port);
    client.send(ask("/here"));
    expect(await client.until(() => client.answers === 1)).toBe(true);
    client.send(ask("/here") + ask("/nothing") + ask("/here"));
    expect(await client.until(() => client.answers === 4)).toBe(true);
    expect([...client.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual([
      "200",
      "200",
      "404",
      "200",
    ]);
    expect(client.isClosed).toBe(false);
    client.send("GET /here HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect(await client.untilClosed()).toBe(true);
    expect(client.answers).toBe(5);
  });
});

describe("HttpServer without a token", () => {
  test.each([
    "localhost",
    "LocalHost:8550",
    "127.0.0.1",
    "127.0.0.1:8550",
    "127.1.2.3:1",
    "[::1]",
    "[::1]:8550",
  ])("answers one that is asked for as %s", async (host) => {
    expect(await answerTo(`Host: ${host}\r\n`)).toStartWith("HTTP/1.1 200 ");
  });

  test.each([
    "evil.example",
    "evil.example:8550",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "data1",
    "192.168.86.41:8550",
    "[::1].evil.example",
    "::1",
    "localhost:evil",
    "user@localhost",
    "",
  ])(
    "refuses one that is asked for as %p, as a page elsewhere could have named it",
    async (host) => {
      const text = await answerTo(`Host: ${host}\r\n`);
      expect(text).toStartWith("HTTP/1.1 421 ");
      expect(text).toContain(
        "use one of these, have the proxy send it, or set a token (http.token_file)\n",
      );
      expect(text).not.toContain("here");
    },
  );

  test("answers HTTP/1.0 without a name, which no browser sends, and refuses HTTP/1.1 without one", async () => {
    expect(await answerTo("", "1.0")).toStartWith("HTTP/1.1 200 ");
    expect(await answerTo("")).toStartWith("HTTP/1.1 400 ");
  });
});

test("HttpServer with a token answers only those who show it", async () => {
  const guarded = new HttpServer(
    { routes: { "/here": () => plain(200, "here") } },
    16,
    () => undefined,
  );
  try {
    guarded.access.token = "0123456789abcdef";
    const at = `http://127.0.0.1:${guarded.listen({ host: "127.0.0.1", port: 0 })}`;
    const refused = await fetch(`${at}/here`);
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="imagehub"');
    for (const path of ["/here", "/nothing"]) {
      expect(
        await get(at + path, { headers: { Authorization: "Bearer 0123456789abcdeF" } }),
      ).toEqual([401, "This is not the token; see the setting http.token_file\n"]);
    }
    const headers = { Authorization: "Bearer 0123456789abcdef" };
    expect(await get(`${at}/here`, { headers })).toEqual([200, "here\n"]);
    // A page elsewhere does not have the token.
    expect(await get(`${at}/here`, { headers: { ...headers, Host: "data1:8550" } })).toEqual([
      200,
      "here\n",
    ]);
  } finally {
    guarded.close();
  }
});
