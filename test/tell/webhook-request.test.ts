import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Facts } from "../../src/tell/facts.ts";
import { Template } from "../../src/tell/template.ts";
import type { WebhookFiles } from "../../src/tell/webhook-files.ts";
import { sendRequest } from "../../src/tell/webhook-request.ts";
import { VERSION } from "../../src/version.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir } from "../support/machine/temp.ts";
import { makeCertificate } from "../support/peers/certificates.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import { type Answer, hang, Receiver, reset, status } from "../support/peers/webhook-receiver.ts";

setDefaultTimeout(60_000);

const FACTS: Facts = {
  type: "start",
  hub: "data1",
  date: "2018-12-30",
  time: "13:45:07",
  message: "Küche & Co",
};
const ID = "a-b-c";
const NEVER = new AbortController().signal;

const filesFor = (url: string, files: Partial<WebhookFiles> = {}): WebhookFiles => ({
  url: new URL(url),
  headers: [],
  secret: undefined,
  template: undefined,
  ca: undefined,
  exposed: [],
  ...files,
});

const send = (files: WebhookFiles, signal = NEVER) =>
  sendRequest({ files, facts: FACTS, id: ID, signal });

test("sendRequest sends the facts as JSON, with its number and the time", async () => {
  await using receiver = await Receiver.start();
  const beforeMs = Date.now();
  const outcome = await send(filesFor(receiver.url("/a?b=c")));
  expect(outcome).toEqual({ kind: "taken", message: "answered 200 OK", answer: "" });
  const [request] = receiver.requests;
  expect(request).toMatchObject({ method: "POST", url: "/a?b=c" });
  expect(JSON.parse(request!.body.toString())).toEqual(FACTS);
  expect(request!.headers).toMatchObject({
    "content-type": "application/json",
    "user-agent": `imagehub/${VERSION}`,
    "x-imagehub-delivery": ID,
  });
  expect(request!.headers["x-imagehub-signature"]).toBeUndefined();
  const time = Number(request!.headers["x-imagehub-timestamp"]);
  expect(time).toBeWithin(Math.floor(beforeMs / 1000), Math.floor(Date.now() / 1000) + 1);
});

test("sendRequest sends a template, the lines of a header file, and a signature", async () => {
  await using receiver = await Receiver.start();
  const secret = "0123456789abcdef";
  const headers: WebhookFiles["headers"] = [
    ["Title", "Küche"],
    ["X-Many", "1"],
    ["x-many", "2"],
  ];
  await send(filesFor(receiver.url(), { secret, headers, template: Template.parse("{message}") }));
  const [{ headers: got, body }] = receiver.requests as [Receiver["requests"][number]];
  expect(body.toString()).toBe(FACTS.message);
  expect(got).toMatchObject({
    "content-type": "text/plain; charset=utf-8",
    title: "Küche",
    "x-many": "1, 2",
  });
  const signed = `${got["x-imagehub-timestamp"] as string}.${FACTS.message}`;
  const signature = createHmac("sha256", secret).update(signed).digest("hex");
  expect(got["x-imagehub-signature"]).toBe(`sha256=${signature}`);
});

test("sendRequest leaves the type to the header file, else takes that of the template", async () => {
  await using receiver = await Receiver.start();
  const template = Template.parse('{"text": "{message}"}');
  await send(filesFor(receiver.url(), { template }));
  await send(filesFor(receiver.url(), { template, headers: [["content-type", "text/x"]] }));
  const types = receiver.requests.map(({ headers }) => headers["content-type"]);
  expect(types).toEqual(["application/json", "text/x"]);
});

describe("sendRequest tells what an answer means", () => {
  const table: [what: string, answer: Answer, outcome: Record<string, unknown>][] = [
    ["201", status(201), { kind: "taken", message: "answered 201 Created" }],
    ["204", status(204), { kind: "taken", message: "answered 204 No Content" }],
    [
      "a redirect, which it does not follow",
      status(302, { Location: "/elsewhere" }),
      {
        kind: "refused",
        message: "answered 302 Found: it has another address now; set url to that",
      },
    ],
    ["400", status(400), { kind: "refused", message: "answered 400 Bad Request" }],
    ["404", status(404), { kind: "refused", message: "answered 404 Not Found" }],
    ["408", status(408), { kind: "failed", message: "answered 408 Request Timeout" }],
    [
      "429 with seconds",
      status(429, { "Retry-After": "7" }),
      { kind: "failed", message: "answered 429 Too Many Requests", waitMs: 7000 },
    ],
    [
      "503 with nonsense",
      status(503, { "Retry-After": "soon" }),
      { kind: "failed", message: "answered 503 Service Unavailable", waitMs: undefined },
    ],
    ["500", status(500), { kind: "suspect", message: "answered 500 Internal Server Error" }],
    ["a status of its own", status(599), { kind: "suspect", message: "answered 599" }],
    [
      "a reset",
      reset,
      { kind: "failed", message: "the connection was closed without an answer", answer: "" },
    ],
  ];
  test.each(table)("%s", async (_, answer, outcome) => {
    await using receiver = await Receiver.start(answer);
    expect(await send(filesFor(receiver.url()))).toMatchObject(outcome);
    expect(receiver.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "POST /services/T0SECRET?key=hidden",
    ]);
  });

  test("503 with a date", async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    await using receiver = await Receiver.start(status(503, { "Retry-After": date }));
    const { waitMs } = await send(filesFor(receiver.url()));
    expect(waitMs).toBeWithin(30_000, 60_001);
  });
});

test("sendRequest reads no more than the beginning of an endless answer", async () => {
  const closed = Promise.withResolvers<void>();
  await using receiver = await Receiver.start((response) => {
    const more = (): void => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
    };
    response.on("drain", more).on("close", () => closed.resolve());
    more();
  });
  const { kind, answer } = await send(filesFor(receiver.url()));
  expect([kind, answer]).toEqual(["taken", "x".repeat(4096)]);
  await closed.promise;
});

test("sendRequest counts the head of an answer whose body does not come", async () => {
  await using receiver = await Receiver.start((response) => {
    response.writeHead(200).write("so far");
  });
  expect(await send(filesFor(receiver.url()))).toEqual({
    kind: "taken",
    message: "answered 200 OK",
    answer: "so far",
  });
});

test("sendRequest gives up when it is told to, and by itself in the end", async () => {
  await using receiver = await Receiver.start(hang);
  const ending = new AbortController();
  const [early, late] = [
    send(filesFor(receiver.url()), ending.signal),
    send(filesFor(receiver.url())),
  ];
  while (receiver.requests.length < 2) await Bun.sleep(5);
  ending.abort();
  const outcome = { kind: "failed", message: "no answer within 10 s", answer: "" } as const;
  expect([await early, await late]).toEqual([outcome, outcome]);
});

test("sendRequest names what keeps it from a receiver, without its path", async () => {
  await using junk = await listenTcp((socket) => socket.end("no HTTP\r\n\r\n"));
  await using plain = await Receiver.start();
  const refused = `http://127.0.0.1:${freePort()}/secret`;
  const tls = plain.url().replace("http:", "https:");
  const messages = await Promise.all(
    [refused, `http://127.0.0.1:${junk.port}/secret`, tls].map(
      async (url) => await send(filesFor(url)),
    ),
  );
  expect(messages.map(({ kind, message }) => [kind, message])).toEqual([
    ["failed", "connection refused"],
    ["failed", "the connection was closed without an answer"],
    ["failed", "it does not speak TLS there"],
  ]);
});

test("sendRequest trusts a certificate only by ca, and only for its name and time", async () => {
  using temp = tempDir();
  const owner = "IP:127.0.0.1";
  const issuer = makeCertificate(temp.path, "issuer");
  const certificates = {
    own: makeCertificate(temp.path, "own", { owner }),
    named: makeCertificate(temp.path, "named", { owner: "DNS:localhost" }),
    issued: makeCertificate(temp.path, "issued", { owner, issuer }),
    old: makeCertificate(temp.path, "old", { owner, days: -1, age: 9 }),
    other: makeCertificate(temp.path, "other"),
  };
  const ask = async (
    name: keyof typeof certificates,
    isTrusted: boolean,
    host?: string,
  ): Promise<string> => {
    const cert = readFileSync(certificates[name].certificate, "utf8");
    const key = readFileSync(certificates[name].key, "utf8");
    await using receiver = await Receiver.start(status(200), { cert, key });
    const ca = isTrusted ? cert : undefined;
    const { message } = await send(filesFor(receiver.url("/x", host), { ca }));
    const hosts = receiver.requests.map(({ headers }) => headers.host);
    const at = `${host ?? "127.0.0.1"}:${receiver.port}`;
    expect(hosts).toEqual(message === "answered 200 OK" ? [at] : []);
    return message;
  };
  expect(await ask("own", true)).toBe("answered 200 OK");
  expect(await ask("named", true, "localhost")).toBe("answered 200 OK");
  expect(await ask("named", true)).toBe("its certificate is for another name");
  expect(await ask("own", true, "localhost")).toBe("its certificate is for another name");
  expect(await ask("own", false)).toBe("its certificate is signed by itself; see ca");
  expect(await ask("issued", false)).toBe(
    "its certificate is of an authority that is not trusted; see ca",
  );
  expect(await ask("old", true)).toBe("its certificate has expired");
  expect(await ask("other", true)).toBe("its certificate is for another name");
});
