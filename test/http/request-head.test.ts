import { expect, test } from "bun:test";
import { readHead } from "../../src/http/request-head.ts";

/** The status of the answer to a head, or the request. */
function read(...lines: string[]): unknown {
  const head = readHead(lines.join("\r\n"));
  return "status" in head ? head.status : Object.assign(head.request, { body: head.bodyLength });
}

test("readHead reads a request", () => {
  expect(
    read("GET /a/b?c=d HTTP/1.1", "Host: localhost", "X-One:  1 \t", "x-one: 2", "Empty:"),
  ).toEqual({
    method: "GET",
    path: "/a/b",
    query: new URLSearchParams({ c: "d" }),
    headers: new Map([
      ["host", "localhost"],
      ["x-one", "1, 2"],
      ["empty", ""],
    ]),
    isLast: false,
    knowsChunks: true,
    body: 0,
  });
});

test.each([
  ["HTTP/1.1", "keep-alive", false],
  ["HTTP/1.1", "close", true],
  ["HTTP/1.1", "TE, Close", true],
  ["HTTP/1.1", "closed", false],
  ["HTTP/1.0", "keep-alive", true],
])(
  "readHead says of %s with Connection: %s whether it is the last: %p",
  (version, connection, isLast) => {
    expect(read(`GET / ${version}`, "Host: localhost", `Connection: ${connection}`)).toMatchObject({
      isLast,
    });
  },
);

test.each([
  [400, ["nonsense"]],
  [400, [""]],
  [400, ["GET / HTTP/2.0", "Host: a"]],
  [400, ["GET  / HTTP/1.1", "Host: a"]],
  [400, ["GET / HTTP/1.1"]],
  [400, ["GET http://a/ HTTP/1.1", "Host: a"]],
  [400, ["GET * HTTP/1.1", "Host: a"]],
  [400, ["GET / HTTP/1.1", "Host: localhost", "Host: evil.example"]],
  [400, ["GET / HTTP/1.1", "Host : localhost"]],
  [400, ["GET / HTTP/1.1", "Host: a", " folded"]],
  [400, ["GET / HTTP/1.1", "Host: a\nX: b"]],
  [400, ["GET / HTTP/1.1", "Host: a", "X: \0"]],
  [400, ["GET / HTTP/1.1", "Host: a", "Content-Length: 0", "Content-Length: 5"]],
  [413, ["GET / HTTP/1.1", "Host: a", "Content-Length: 5"]],
  [413, ["GET / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]],
  [413, ["POST / HTTP/1.1", "Host: a", "Content-Length: 65537"]],
  [413, ["POST / HTTP/1.1", "Host: a", "Content-Length: -1"]],
  [413, ["POST / HTTP/1.1", "Host: a", "Content-Length: 5, 5"]],
  [413, ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked"]],
  [414, [`GET /${"a".repeat(4096)} HTTP/1.1`, "Host: a"]],
])("readHead refuses with %d: %j", (status, lines) => {
  expect(read(...lines)).toBe(status);
});
