import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  Authenticator,
  type Peer as Shown,
  type Refusal,
  ZAP_DOMAIN,
} from "../../src/receiver/authenticator.ts";
import { newKeyPair, z85Encode } from "../../src/zmq/library.ts";
import { MessageArray } from "../../src/zmq/message.ts";
import { Context, SocketOption, SocketType, TextOption } from "../../src/zmq/socket.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { COMES_MS, Peer, PeerType, receiveFrames } from "../support/peers/zmq-peer.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(60_000);

let context: Context;
let authenticator: Authenticator;
let seen: Shown[];
let refused: [Shown, Refusal][];
let refusal: Refusal | undefined;

beforeEach(() => {
  context = new Context();
  [seen, refused, refusal] = [[], [], undefined];
  authenticator = new Authenticator(
    context,
    (peer) => {
      seen.push(peer);
      return refusal;
    },
    (peer, why) => void refused.push([peer, why]),
  );
});

afterEach(() => {
  authenticator[Symbol.dispose]();
  context[Symbol.dispose]();
});

/** Asks as libzmq does. */
function ask(...frames: readonly (string | Uint8Array)[]): string[] {
  using libzmq = new Peer(context, PeerType.req, "inproc://zeromq.zap.01");
  libzmq.send(...frames);
  for (const end = performance.now() + COMES_MS; performance.now() < end;) {
    authenticator.update();
    const reply = libzmq.receive(1);
    if (reply !== undefined) return reply;
  }
  throw new Error("No answer came");
}

/** Answers questions until something is so. @throws {Error} when it does not come to that */
async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + COMES_MS; !isSo(); await Bun.sleep(1)) {
    authenticator.update();
    if (performance.now() > end) throw new Error(`Asked ${seen.length} times`);
  }
}

const KEY = Buffer.from(Array.from({ length: 32 }, (_, at) => at));

describe("Authenticator", () => {
  test("lets in whom the policy lets in, under the request's id", () => {
    expect(ask("1.0", "id 7", ZAP_DOMAIN, "10.0.0.7", "", "NULL")).toEqual([
      "1.0",
      "id 7",
      "200",
      "OK",
      "",
      "",
    ]);
    expect(seen).toEqual([{ address: "10.0.0.7", mechanism: "NULL", key: undefined }]);
    expect(refused).toEqual([]);
  });

  test("shows the policy a key in Z85", () => {
    const reply = ask("1.0", "1", ZAP_DOMAIN, "::ffff:10.0.0.7", "", "CURVE", KEY);
    expect(reply.slice(2)).toEqual(["200", "OK", z85Encode(KEY), ""]);
    expect(seen).toEqual([{ address: "10.0.0.7", mechanism: "CURVE", key: z85Encode(KEY) }]);
  });

  test("refuses whom the policy refuses, and tells why to the log alone", () => {
    refusal = { reason: "it is a Tuesday", isForNow: false };
    expect(ask("1.0", "1", ZAP_DOMAIN, "fd00::7", "", "NULL")).toEqual([
      "1.0",
      "1",
      "400",
      "Refused",
      "",
      "",
    ]);
    expect(refused).toEqual([[{ address: "fd00::7", mechanism: "NULL", key: undefined }, refusal]]);
  });

  test("tells who is refused for now nothing: its libzmq connects again, and what it sends is not lost", async () => {
    refusal = { reason: "too fast", isForNow: true };
    expect(ask("1.0", "1", ZAP_DOMAIN, "10.0.0.7", "", "NULL").slice(2)).toEqual([
      "300",
      "Later",
      "",
      "",
    ]);
    using server = context.socket(SocketType.rep);
    server.setText(TextOption.zapDomain, ZAP_DOMAIN);
    server.set(SocketOption.zapEnforceDomain, 1);
    server.set(SocketOption.handshakeIvl, 200);
    server.set(SocketOption.linger, 0);
    const port = freePort();
    server.bind(`tcp://127.0.0.1:${port}`);
    using camera = new Peer(context, PeerType.req, `tcp://127.0.0.1:${port}`);
    camera.send("image");
    // Again and again, of its own accord.
    await until(() => refused.length === 4);
    expect(receiveFrames(server, 0)).toBeUndefined();
    refusal = undefined;
    const frame = new MessageArray(1).at(0);
    await until(() => server.tryReceive(frame));
    expect(frame.bytes().toString()).toBe("image");
    server.send(Buffer.from("OK"), false);
    expect(camera.receive()).toEqual(["OK"]);
  });

  test.each<[what: string, frames: (string | Uint8Array)[]]>([
    ["another version", ["2.0", "1", ZAP_DOMAIN, "10.0.0.7", "", "NULL"]],
    ["one frame", ["what?"]],
    ["an empty frame", [""]],
  ])("refuses a question with %s without asking the policy", (_, frames) => {
    expect(ask(...frames)[2]).toBe("400");
    expect(seen).toEqual([]);
    expect(refused).toHaveLength(1);
  });

  test.each<[what: string, credentials: (string | Uint8Array)[]]>([
    ["no key", []],
    ["a short key", [KEY.subarray(1)]],
    ["a long key", [Buffer.concat([KEY, KEY])]],
  ])("shows the policy no key where CURVE came with %s", (_, credentials) => {
    ask("1.0", "1", ZAP_DOMAIN, "10.0.0.7", "", "CURVE", ...credentials);
    expect(seen[0]?.key).toBeUndefined();
  });

  test("takes a password of PLAIN for no key", () => {
    ask("1.0", "1", ZAP_DOMAIN, "10.0.0.7", "", "PLAIN", KEY, "secret", "one more", "and one more");
    expect(seen).toEqual([{ address: "10.0.0.7", mechanism: "PLAIN", key: undefined }]);
  });

  test("answers one question after another", () => {
    for (let count = 1; count <= 50; count++) {
      refusal = count % 2 === 0 ? { reason: "even", isForNow: false } : undefined;
      expect(ask("1.0", String(count), ZAP_DOMAIN, "10.0.0.7", "", "NULL")[2]).toBe(
        count % 2 === 0 ? "400" : "200",
      );
    }
    expect([seen.length, refused.length]).toEqual([50, 25]);
  });
});

test("newKeyPair makes keys of 40 characters, each time others", () => {
  const keys = Array.from({ length: 20 }, () => newKeyPair()).flatMap(
    ({ publicKey, secretKey }) => [publicKey, secretKey],
  );
  expect(keys.every((key) => key.length === 40)).toBe(true);
  expect(new Set(keys).size).toBe(keys.length);
});
