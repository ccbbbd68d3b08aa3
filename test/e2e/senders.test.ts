/**
 * What the hub makes of senders that are silent, send what makes no sense, or send through proxies,
 * end to end.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Context } from "../../src/zmq/socket.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { header } from "../support/peers/camera.ts";
import { startHub } from "../support/hub/hub.ts";
import { until } from "../support/hub/output.ts";
import { connectedPeers, settings, texts } from "./cameras.ts";
import { Proxy } from "../support/peers/proxy.ts";
import { Sender } from "../support/peers/sender.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";
import { forEachTest } from "../support/for-each-test.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

let context: Context;

forEachTest(
  () => new Context(),
  (made) => (context = made),
);

test("a hub whose patience is shorter than its chores are apart gives its notices all the same", async () => {
  await using hub = await startHub(settings({ patience: 0.001 }));
  await until(hub, () => texts(hub).filter((text) => text.startsWith("No messages")).length >= 3);
});

test("a hub logs a notice when no message comes, and again, and not while they come", async () => {
  const patience = 0.005;
  const notice = `No messages received for ${patience} minutes.`;
  await using hub = await startHub(settings({ patience }));
  const notices = () => texts(hub).filter((text) => text === notice).length;
  await until(hub, () => notices() >= 2);
  using stack = new DisposableStack();
  const [peer] = connectedPeers(stack, context, hub, 1);
  // Each comes well within the patience of 300 ms, and all together take far longer.
  const before = notices();
  const start = performance.now();
  let longestPauseMs = 0;
  let lastMs = start;
  while (performance.now() - start < 1200) {
    peer!.send(header("Barn|Heartbeat"), "x");
    expect(peer!.receive()).toEqual(["OK"]);
    longestPauseMs = Math.max(longestPauseMs, performance.now() - lastMs);
    lastMs = performance.now();
    await Bun.sleep(10);
  }
  // A machine that stood still for so long may have seen one.
  if (longestPauseMs < 250) expect(notices() - before).toBeLessThanOrEqual(1);
  await until(hub, () => notices() >= before + 2);
  expect(texts(hub)[0]).toStartWith("Starting");
});

test("a hub serves others when peers send broken envelopes and go", async () => {
  await using hub = await startHub(settings({}));
  using stack = new DisposableStack();
  const [good] = connectedPeers(stack, context, hub, 1);
  const thousand = Array.from({ length: 1000 }, () => "x");
  const broken: string[][] = [
    ["x"],
    [header("a|b"), "x"],
    [""],
    ["", ""],
    ["", "a", "b", "c"],
    thousand,
    ["", ...thousand],
  ];
  for (let round = 0; round < 10; round++) {
    for (const frames of broken) {
      using dealer = new Peer(context, PeerType.dealer, `tcp://127.0.0.1:${hub.port}`);
      dealer.send(...frames);
      if (round % 2 === 0) expect(dealer.receive()?.at(-1)).toMatch(/^ERROR the request has /);
    }
    good!.send(header(`Good|Temp|${round}`), "x");
    expect(good!.receive()).toEqual(["OK"]);
  }
  expect(texts(hub).slice(1)).toEqual(
    Array.from({ length: 10 }, (_, round) => `Good|Temp|${round}`),
  );
  expect(await hub.stop()).toBe(0);
  expect(hub.output()).toContain("Refused a request: the request has no empty delimiter frame");
});

test("a hub answers ERROR with the reason when a request makes no sense", async () => {
  await using hub = await startHub(settings({}));
  using stack = new DisposableStack();
  const [peer] = connectedPeers(stack, context, hub, 1);
  const cases: [frames: string[], reply: string][] = [
    [["not JSON", "x"], "ERROR frame 1 is not JSON in UTF-8"],
    [["{}", "x"], "ERROR frame 1 has no msg"],
    [[header("Barn|jpg|"), ""], "ERROR frame 2 is empty, an image was expected"],
    [[header("Barn|jpg|")], "ERROR the request has 1 frame, 2 were expected"],
    [[`{"msg": "${"x".repeat(65_536)}"}`, "x"], "ERROR frame 1 has 65547 bytes, more than 65536"],
    [[header(`Barn|note|${"x".repeat(5000)}`), "x"], "ERROR the text is longer than 4096 bytes"],
  ];
  for (const [frames, reply] of cases) {
    peer!.send(...frames);
    expect(peer!.receive()).toEqual([reply]);
  }
  expect(await hub.stop()).toBe(0);
  for (const [, reply] of cases)
    expect(hub.output()).toContain(`Refused a request: ${reply.slice(6)}`);
});

describe.skipIf(lacks("python"))("a hub behind proxies", () => {
  test("serves senders through one and through two of them, and beside them", async () => {
    await using hub = await startHub(settings({}));
    await using near = await Proxy.start(hub.port);
    await using far = await Proxy.start(near.port);
    await using direct = new Sender(hub.port);
    await using through = new Sender(near.port);
    await using twice = new Sender(far.port);
    const senders = Object.entries({ direct, through, twice });
    const image = { kind: "bgr", height: 48, width: 64 } as const;
    await Promise.all(
      senders.map(async ([name, sender]) => {
        for (let round = 0; round < 10; round++) {
          expect((await sender.event(`${name}|Temp|${round}`)).frames.map(String)).toEqual(["OK"]);
          expect(await sender.heartbeat(name)).toMatchObject({ reply: "OK" });
          expect(await sender.jpg(`${name}|jpg|`, { size: 5000 })).toMatchObject({ reply: "OK" });
        }
        expect(await sender.raw(`${name}|image|`, image)).toMatchObject({ reply: "OK" });
        expect((await sender.frames(["not JSON", "x"])).frames.map(String)).toEqual([
          "ERROR frame 1 is not JSON in UTF-8",
        ]);
      }),
    );
    for (const [name] of senders) {
      const rounds = Array.from({ length: 10 }, (_, round) => `${name}|Temp|${round}`);
      expect(texts(hub).filter((text) => text.startsWith(`${name}|`))).toEqual(rounds);
      expect(hub.images().filter((file) => file.name.startsWith(`${name}-`))).toHaveLength(11);
    }
  });
});
