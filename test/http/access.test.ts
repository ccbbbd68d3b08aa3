import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { Access } from "../../src/http/access.ts";
import type { HttpRequest } from "../../src/http/answer.ts";

const TOKEN = "0123456789abcdef";
const { signal: gone } = new AbortController();

function request(
  headers: Readonly<Record<string, string>>,
  more: Partial<HttpRequest> = {},
): HttpRequest {
  return {
    method: "GET",
    path: "/api/v1/days",
    query: new URLSearchParams(),
    body: new Uint8Array(0),
    peer: "10.0.0.7",
    headers: new Map(Object.entries({ host: "hub:8556", ...headers })),
    isLast: false,
    knowsChunks: true,
    gone,
    ...more,
  };
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

let access: Access;
let nowMs: number;
let now: ReturnType<typeof spyOn<Performance, "now">>;

beforeEach(() => {
  access = new Access();
  access.token = TOKEN;
  nowMs = 1e6;
  now = spyOn(performance, "now").mockImplementation(() => nowMs);
});

afterEach(() => now.mockRestore());

const status = (headers: Readonly<Record<string, string>>, more: Partial<HttpRequest> = {}) =>
  access.refusal(request(headers, more), false)?.status;

test.each([
  [`Bearer ${TOKEN}`, undefined],
  [`bearer  ${TOKEN} `, undefined],
  [basic("", TOKEN), undefined],
  [basic("anybody", TOKEN), undefined],
  ["", 401],
  ["Bearer", 401],
  [TOKEN, 401],
  [`Basic ${TOKEN}`, 401],
  [basic(TOKEN, ""), 401],
  [`Bearer ${TOKEN}x`, 401],
  [`Bearer ${TOKEN.slice(1)}`, 401],
  [`Bearer ${TOKEN} ${TOKEN}`, 401],
])("with a token, Authorization: %s is answered %p", (authorization, expected) => {
  expect(status({ authorization })).toBe(expected);
});

test.each([
  [{ "sec-fetch-mode": "navigate" }, "Basic"],
  [{ accept: "text/html,image/avif,*/*;q=0.8" }, "Basic"],
  [{ "sec-fetch-mode": "navigate", authorization: basic("", "wrong") }, "Basic"],
  [{ "sec-fetch-mode": "cors", accept: "text/html" }, "Bearer"],
  [{ "sec-fetch-mode": "no-cors", accept: "image/avif,*/*" }, "Bearer"],
  [{ accept: "*/*" }, "Bearer"],
  [{}, "Bearer"],
])("a request with %p is asked for %s", (headers, scheme) => {
  const refusal = access.refusal(request(headers), false);
  expect(refusal?.status).toBe(401);
  expect(refusal?.headers?.["WWW-Authenticate"]).toStartWith(`${scheme} realm="imagehub`);
});

test("without a token, only this machine's own names are answered, also for what is open", () => {
  access.token = undefined;
  expect(status({ host: "localhost:8556" })).toBeUndefined();
  expect(access.refusal(request({ host: "evil.example" }), true)?.status).toBe(421);
  expect(access.login(request({}, { method: "POST" })).status).toBe(404);
});

test("what is open needs no token", () => {
  expect(access.refusal(request({}), true)).toBeUndefined();
});

const login = (token: string, headers: Readonly<Record<string, string>> = {}) =>
  access.login(
    request(headers, {
      method: "POST",
      body: Buffer.from(new URLSearchParams({ token }).toString()),
    }),
  );

const cookieOf = (headers: Readonly<Record<string, string>> = {}): string =>
  login(TOKEN, headers).headers!["Set-Cookie"]!;

describe("a login", () => {
  test("sets a cookie that is enough until it ends", () => {
    const cookie = cookieOf();
    expect(cookie).toMatch(
      /^imagehub-[0-9a-f]{8}=\d+\.[0-9a-f]{64}; Max-Age=2592000; HttpOnly; SameSite=Strict$/,
    );
    const [pair = ""] = cookie.split(";");
    expect(status({ cookie: pair })).toBeUndefined();
    expect(status({ cookie: `other=1; ${pair}` })).toBeUndefined();
    expect(status({ cookie: `${pair}0` })).toBe(401);
    expect(status({ cookie: pair.replace(/=\d/, "=9") })).toBe(401);
    const clock = spyOn(Date, "now").mockReturnValue(Date.now() + 31 * 86_400_000);
    expect(status({ cookie: pair })).toBe(401);
    clock.mockRestore();
    access.token = "another-token-of-this-hub";
    expect(status({ cookie: pair })).toBe(401);
  });

  test("over HTTPS has a cookie for HTTPS alone", () => {
    expect(cookieOf({ "x-forwarded-proto": "https" })).toEndWith("; Secure");
  });

  test("with a wrong token is refused, and slowed down after some", () => {
    expect(Array.from({ length: 6 }, () => login("nonsense").status)).toEqual([
      401, 401, 401, 401, 401, 429,
    ]);
    // Also with the right one, or guessing would go on.
    expect(login(TOKEN)).toMatchObject({ status: 429, headers: { "Retry-After": "1" } });
    expect(status({ authorization: `Bearer ${TOKEN}` })).toBe(429);
    // But not for others.
    expect(status({ authorization: `Bearer ${TOKEN}` }, { peer: "10.0.0.8" })).toBeUndefined();
    nowMs += 1000;
    expect(login("nonsense").status).toBe(401);
    expect(login("nonsense")).toMatchObject({ headers: { "Retry-After": "2" } });
    nowMs += 2000;
    expect(login(TOKEN).status).toBe(200);
    expect(login("nonsense").status).toBe(401);
  });
});

test.each([
  ["127.0.0.1", "192.0.2.1", "192.0.2.2"],
  ["127.0.0.1", "9.9.9.9, 192.0.2.1", "9.9.9.9, 192.0.2.2"],
  ["::ffff:127.0.0.1", "2001:db8:1::1", "2001:db8:2::1"],
  ["::1", "nonsense, 192.0.2.1", "nonsense, 192.0.2.2"],
])("behind a proxy at %s, %s who guesses does not lock out %s", (peer, guesser, other) => {
  const authorization = `Bearer ${TOKEN}`;
  for (let times = 0; times < 9; times++)
    status({ authorization: "Bearer guess", "x-forwarded-for": guesser }, { peer });
  expect(status({ authorization, "x-forwarded-for": guesser }, { peer })).toBe(429);
  expect(status({ authorization, "x-forwarded-for": other }, { peer })).toBeUndefined();
  expect(status({ authorization }, { peer })).toBeUndefined();
});

test("whoever guesses and is no proxy of this machine has one address, whatever they name", () => {
  for (let times = 0; times < 9; times++)
    status({ authorization: "Bearer guess", "x-forwarded-for": `192.0.2.${times}` });
  expect(status({ authorization: `Bearer ${TOKEN}` })).toBe(429);
});

test("whoever guesses 10,000 times is let in for few of them", () => {
  let tried = 0;
  for (let guess = 0; guess < 10_000; guess++) {
    nowMs += 10;
    if (status({ authorization: `Bearer guess-${guess}` }, { peer: `fe80::1:${guess}` }) === 401)
      tried++;
  }
  expect(tried).toBeLessThan(15);
});

test.each([
  [{ "sec-fetch-site": "same-origin" }, undefined],
  [{ "sec-fetch-site": "none" }, undefined],
  [{ "sec-fetch-site": "same-site" }, 403],
  [{ "sec-fetch-site": "cross-site", origin: "http://hub:8556" }, 403],
  [{ origin: "http://hub:8556" }, undefined],
  [{ origin: "https://hub.example", "x-forwarded-host": "hub.example" }, undefined],
  [{ origin: "http://evil.example" }, 403],
  [{ origin: "null" }, 403],
  [{}, undefined],
])("a POST with %p is answered %p", (headers, expected) => {
  const authorization = `Bearer ${TOKEN}`;
  expect(status({ authorization, ...headers }, { method: "POST" })).toBe(expected);
});
