/**
 * The messages that a hub answers, end to end: events, heartbeats, what has no label, and what
 * makes no sense.
 *
 * @module
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { startHub } from "../support/hub/hub.ts";
import { linesWith } from "../support/hub/output.ts";
import { Sender } from "../support/peers/sender.ts";
import {
  BARN,
  describeEachProgram,
  events,
  FIXTURES,
  LOG_LINE,
  sha256,
  storedHashes,
  storedNodes,
} from "./stored.ts";

// Only so that nothing hangs for ever: an emulated hub takes seconds to start, and some tests start
// two.
setDefaultTimeout(120_000);

describeEachProgram((program) => {
  test("answers what has no label, keeps none of it, and says so once", async () => {
    await using hub = await startHub({ program, env: WITH_HTTP });
    await using sender = new Sender(hub.port);
    for (let count = 0; count < 10; count += 1) {
      expect(await sender.raw("rpi-cam", { kind: "bgr", height: 48, width: 64 })).toMatchObject({
        reply: "OK",
      });
      expect(await sender.jpg("rpi-cam", { file: BARN })).toMatchObject({ reply: "OK" });
    }
    // What imagenode sends while a camera is set up is no mistake.
    expect(await sender.raw("Grayscale", { kind: "gray", height: 48, width: 64 })).toMatchObject({
      reply: "OK",
    });
    expect(hub.images()).toEqual([]);
    expect(await statusOf(hub)).toMatchObject({ nodes: [], totals: { unlabelled: 20, tests: 1 } });
    const [, metrics] = await get(`${httpOf(hub)}/metrics`);
    expect(metrics).toContain('imagehub_messages_total{kind="unlabelled",outcome="answered"} 20\n');
    expect(await hub.stop()).toBe(0);
    expect(linesWith(hub, " warn ").filter((line) => line.includes("rpi-cam"))).toEqual([
      expect.stringContaining(
        'Messages such as "rpi-cam" are answered OK but not stored: there is no | in the text. ' +
          'Send "rpi-cam|jpg" or "rpi-cam|image", or set unlabelled to store from=127.0.0.1',
      ) as string,
    ]);
    expect(hub.output()).not.toContain("Grayscale");
  });

  test("stores what has no label where that is set", async () => {
    await using hub = await startHub({ program, settings: { hub: { unlabelled: "store" } } });
    await using sender = new Sender(hub.port);
    expect(await sender.jpg("Front Door", { file: BARN })).toMatchObject({ reply: "OK" });
    expect(await sender.encoded("Encoded", BARN, [-1, 1])).toMatchObject({ reply: "OK" });
    expect(await sender.raw("../Raw", { kind: "bgr", height: 48, width: 64 })).toMatchObject({
      reply: "OK",
    });
    expect(await sender.array("Depth", { dtype: "uint16", shape: [48, 64] })).toMatchObject({
      reply: "OK",
    });
    const { reply } = await sender.frames(['{"msg": "Letter"}', "Dear hub"]);
    expect(reply).toBe(
      "ERROR frame 2 is neither a JPEG file nor an array, and the text has no type",
    );
    expect(await sender.event("Garage|Temp|76 F")).toMatchObject({ reply: "OK" });
    expect(storedNodes(hub).toSorted()).toEqual(["Depth", "Encoded", "Front-Door", "__-Raw"]);
    expect(storedHashes(hub).filter((hash) => hash === sha256(readFileSync(BARN)))).toHaveLength(2);
    expect(events(hub)).toEqual(["Garage|Temp|76 F"]);
  });

  test("logs the events of a recorded day in their order", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const recorded = readFileSync(join(FIXTURES, "imagehub.log.2021-09-23"), "utf8")
      .trimEnd()
      .split("\n");
    const texts = recorded.map((line) => LOG_LINE.exec(line)?.groups?.["text"] ?? "");
    for (const [number, text] of texts.entries()) {
      // Nodes that send raw arrays send the tiny image raw, too.
      const reply = await sender.event(text, number % 2 === 0 ? "jpg" : "raw");
      expect(reply.reply).toBe("OK");
    }
    expect(events(hub)).toEqual(texts);
    expect(hub.images()).toEqual([]);
  });

  test("keeps neither heartbeats nor test images, and answers them", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    expect(await sender.heartbeat("Barn")).toMatchObject({ reply: "OK" });
    expect(await sender.event("Barn| heartbeat ", "raw")).toMatchObject({ reply: "OK" });
    expect(await sender.raw("ROI", { kind: "bgr", height: 48, width: 64 })).toMatchObject({
      reply: "OK",
    });
    expect(await sender.jpg("ROI", { file: BARN })).toMatchObject({ reply: "OK" });
    expect(await sender.event("")).toMatchObject({ reply: "OK" });
    expect(hub.images()).toEqual([]);
    expect(events(hub)).toEqual([]);
  });

  test("takes the whole type of a message, not its first letter, and keeps an event to one line", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    for (const text of ["Cam|intruder|x", "Attic|Humidity|40", "Cam|jpeg|x", "Küche|Temp|21 °C"]) {
      expect(await sender.event(text)).toMatchObject({ reply: "OK" });
    }
    const forged = "Cam|note|x\r\n2021-01-01 00:00:00,000 ~ Safe|Alarm|off";
    expect(await sender.event(forged)).toMatchObject({ reply: "OK" });
    const logged = events(hub);
    expect(logged.slice(0, -1)).toEqual([
      "Cam|intruder|x",
      "Attic|Humidity|40",
      "Cam|jpeg|x",
      "Küche|Temp|21 °C",
    ]);
    expect(logged.at(-1)).toStartWith("Cam|note|x");
    expect(hub.images()).toEqual([]);
  });

  test("answers malformed requests with ERROR and goes on", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const good = JSON.stringify({ msg: "Barn|jpg|moving" });
    const bytes = new Uint8Array(300);
    const malformed: Record<string, readonly (string | Uint8Array)[]> = {
      "one frame": [good],
      "three frames": [good, "x", "x"],
      "not JSON": ["hello", "x"],
      "nothing as JSON": ["", "x"],
      "not UTF-8": [
        Buffer.concat([Buffer.from('{"msg":"'), Buffer.of(0xff, 0xfe), Buffer.from('"}')]),
        "x",
      ],
      "no object": ["[1]", "x"],
      null: ["null", "x"],
      "no msg": ['{"dtype": "uint8", "shape": [10, 10, 3]}', bytes],
      "msg not a text": ['{"msg": 5}', "x"],
      "too few bytes": [rawHeader({ shape: [10, 10, 3] }), bytes.subarray(1)],
      "too many bytes": [rawHeader({ shape: [9, 10, 3] }), bytes],
      "no shape": [rawHeader({}), bytes],
      "shape not a list": [rawHeader({ shape: 300 }), bytes],
      "one dimension": [rawHeader({ shape: [300] }), bytes],
      "four dimensions": [rawHeader({ shape: [1, 10, 10, 3] }), bytes],
      "a shape without a dtype": [rawHeader({ dtype: null, shape: [10, 10, 3] }), bytes],
      "two channels": [rawHeader({ shape: [15, 10, 2] }), bytes],
      "a side below zero": [rawHeader({ shape: [-10, -10, 3] }), bytes],
      "a side of zero": [rawHeader({ shape: [0, 10, 3] }), ""],
      "half a row": [rawHeader({ shape: [2.5, 40, 3] }), bytes],
      "a side beyond any image": [rawHeader({ shape: [1e9, 1e9, 3] }), bytes],
      "float32 for uint8": [rawHeader({ dtype: "float32", shape: [5, 5, 3] }), bytes],
      "dtype not a text": [rawHeader({ dtype: 8, shape: [10, 10, 3] }), bytes],
    };
    for (const [what, frames] of Object.entries(malformed)) {
      const { reply, frames: answered } = await sender.frames(frames);
      expect([what, answered.length, reply]).toEqual([
        what,
        1,
        expect.stringMatching(/^ERROR \S/u),
      ]);
    }
    // What no REQ socket makes: a REP socket never answers these, and neither must they do harm.
    await sender.frames([good, "no delimiter before"], { socket: "dealer", wait: false });
    await sender.frames([""], { socket: "dealer", wait: false });

    expect(await sender.jpg("Barn|jpg|moving", { file: BARN })).toMatchObject({ reply: "OK" });
    expect(await sender.event("Garage|Temp|76 F")).toMatchObject({ reply: "OK" });
    expect(storedNodes(hub)).toEqual(["Barn"]);
    expect(events(hub)).toEqual(["Garage|Temp|76 F"]);
  });
});

/** The first frame of a raw array, with fields that do not fit. */
function rawHeader(fields: object): string {
  return JSON.stringify({ msg: "Barn|image|moving", dtype: "uint8", ...fields });
}
