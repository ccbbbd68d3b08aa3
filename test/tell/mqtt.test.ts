/** The MQTT outlet against a real broker. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  closeSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { lacks } from "../../scripts/lib/available.ts";
import { defaultSettings } from "../../src/config/schema.ts";
import { Mqtt } from "../../src/tell/mqtt.ts";
import { Topics } from "../../src/tell/mqtt-topics.ts";
import type { News } from "../../src/tell/news.ts";
import { tempDir } from "../support/machine/temp.ts";
import { hubState } from "../support/peers/hub-state.ts";
import { Broker, type Listener } from "../support/peers/mqtt-broker.ts";
import { oldBroker } from "../support/peers/old-mqtt-broker.ts";
import { COMES_MS } from "../support/peers/zmq-peer.ts";
import { BARN } from "../e2e/stored.ts";

setDefaultTimeout(120_000);

const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

const topics = new Topics("farm/hub", "homeassistant");

const DATE = "2026-11-29";

let count = 0;

/** An outlet of its own, which is ended with the test. */
class Bench implements AsyncDisposable {
  readonly warnings: string[] = [];
  readonly outlet: Mqtt;
  private readonly folder: string;

  constructor(port: number, mqtt: Readonly<Record<string, unknown>> = {}) {
    const data = join(temp.path, `data-${count++}`);
    this.folder = join(data, "images", DATE);
    mkdirSync(this.folder, { recursive: true });
    const defaults = defaultSettings();
    this.outlet = new Mqtt({
      settings: {
        ...defaults,
        data_directory: data,
        mqtt: { ...defaults.mqtt, url: `mqtt://127.0.0.1:${port}`, topic: "farm/hub", ...mqtt },
      },
      warn: (message) => this.warnings.push(message),
    });
  }

  event(text: string): void {
    this.outlet.tell(eventOf(text));
  }

  /** Stores an image and tells it. @param bytes or a file that has them; default: a JPEG */
  image(camera: string, number: number, bytes?: Uint8Array | string): string {
    const name = `${camera}-${DATE}T12.00.00.${String(number).padStart(6, "0")}.jpg`;
    const path = join(this.folder, name);
    if (bytes === undefined) copyFileSync(BARN, path);
    else if (typeof bytes === "string") linkSync(bytes, path);
    else writeFileSync(path, bytes);
    this.outlet.tell({ type: "image", date: DATE, name, camera, micros: number });
    return path;
  }

  /** Waits until all is told. */
  async told(): Promise<void> {
    await until(() => this.outlet.tally.waiting === 0 && this.outlet.tally.sent > 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.outlet.finish(100);
  }
}

function eventOf(text: string): News {
  return { type: "event", at: "2026-11-29 12:00:00,000", text, isHub: !text.includes("|") };
}

async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + COMES_MS; !isSo(); await Bun.sleep(5))
    if (performance.now() > end) throw new Error("It did not come to what was waited for");
}

/** The values of the events of a type that were heard, in their order. */
function valuesOf(listener: Listener, type: string): number[] {
  return listener.heard.flatMap(({ topic, payload }) => {
    if (!topic.startsWith("farm/hub/events/")) return [];
    const event = JSON.parse(payload.toString()) as { type: string; value: string };
    return event.type === type ? [Number(event.value)] : [];
  });
}

/** Listens to events in a session that the broker keeps while it is away. */
async function keeper(broker: Broker): Promise<Listener> {
  return await broker.listen(["farm/hub/events/#"], "-c", "-i", "keeper");
}

/** Writes into a pipe, unless nobody reads it. */
function writeIfRead(pipe: string, text: string): void {
  try {
    const fd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(fd, text);
    closeSync(fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
  }
}

const range = (length: number): number[] => Array.from({ length }, (_, at) => at);

describe.skipIf(lacks("mqtt"))("the MQTT outlet", () => {
  test("tells events at once and in their order, with QoS 1, and keeps none of them", async () => {
    await using broker = await new Broker().start();
    await using listener = await broker.listen(["farm/#"]);
    await using bench = new Bench(broker.port);
    for (const each of range(3000)) bench.event(`Barn|number|${each}`);
    await bench.told();
    await until(() => valuesOf(listener, "number").length === 3000);
    expect(valuesOf(listener, "number")).toEqual(range(3000));
    expect(listener.heard.find(({ topic }) => topic === topics.events("Barn"))).toMatchObject({
      qos: 1,
      isRetained: false,
    });
    await using late = await broker.listen(["farm/#"]);
    await until(() => late.latest.has(topics.reading("Barn", "number")));
    expect(late.json(topics.reading("Barn", "number"))).toMatchObject({ value: 2999 });
    expect(late.latest.has(topics.events("Barn"))).toBe(false);
  });

  test("a broker accepts whatever nodes and cameras are called, and no two share a topic", async () => {
    await using broker = await new Broker().start();
    await using listener = await broker.listen(["#"]);
    await using bench = new Bench(broker.port);
    const names = [
      "Barn",
      "a+b",
      "a#",
      "a/b",
      "a%2Fb",
      "\u0000",
      "a\u0001b",
      " ",
      "",
      "納屋🐔",
      "$SYS",
    ].concat(["x".repeat(5000), `${"x".repeat(5000)}y`]);
    for (const name of names) bench.event(`${name}|Temp|7 F`);
    bench.outlet.show(hubState(names));
    await bench.told();
    await until(() => listener.latest.size >= 1 + 2 + 4 * names.length - 2);
    // The event log has names without spaces around them, so two of these are one there.
    const told = new Set(names.map((name) => name.trim()));
    const topicsWith = (beginning: string): number =>
      [...listener.latest.keys()].filter((topic) => topic.startsWith(beginning)).length;
    expect(topicsWith("farm/hub/events/")).toBe(told.size);
    expect(topicsWith("homeassistant/device/")).toBe(1 + names.length);
    expect(bench.outlet.tally.state).toMatchObject({ dropped: 0, last_error: null });
  });

  test("tells the latest image of a camera at the interval of the settings, and keeps it", async () => {
    await using broker = await new Broker().start();
    await using listener = await broker.listen([topics.image("Barn"), topics.camera("Barn")]);
    await using bench = new Bench(broker.port, { image_interval: 2 });
    const images = (): string[] =>
      listener.heard
        .filter(({ topic }) => topic === topics.image("Barn"))
        .map(({ payload }) => payload.toString());
    for (const each of range(50)) bench.image("Barn", each, Buffer.from(`image ${each}`));
    await until(() => images().length === 2);
    expect(images()).toEqual(["image 0", "image 49"]);
    await using late = await broker.listen([topics.image("Barn")]);
    await until(() => late.heard.length === 1);
    expect(late.heard[0]).toMatchObject({ isRetained: true, payload: Buffer.from("image 49") });
  });

  test("does without an image that is gone, and tells the others", async () => {
    await using broker = await new Broker().start();
    await using listener = await broker.listen(["farm/hub/cameras/+/image"]);
    await using bench = new Bench(broker.port);
    rmSync(bench.image("Barn", 1));
    bench.image("Gate", 1);
    await until(() => listener.latest.has(topics.image("Gate")));
    await bench.told();
    expect(listener.latest.has(topics.image("Barn"))).toBe(false);
    expect(listener.heard[0]?.payload.equals(readFileSync(BARN))).toBe(true);
  });

  test("tells events and states while the disk with an image does not respond", async () => {
    await using broker = await new Broker().start();
    await using listener = await broker.listen(["farm/#"]);
    await using bench = new Bench(broker.port);
    const pipe = join(temp.path, "pipe");
    Bun.spawnSync(["mkfifo", pipe]);
    bench.image("Barn", 1, pipe);
    bench.image("Gate", 1);
    await until(() => listener.latest.has(topics.camera("Gate")));
    await broker.stop();
    await broker.start();
    for (const each of range(100)) bench.event(`Barn|number|${each}`);
    await using late = await broker.listen(["farm/#"]);
    bench.event("Barn|Temp|76 F");
    await until(() => late.latest.has(topics.reading("Barn", "Temp")));
    expect(late.json(topics.reading("Barn", "number"))).toMatchObject({ value: 99 });
    expect(late.latest.has(topics.image("Gate"))).toBe(false);
    // It responds again, to whoever reads it: what the first connection was for is read anew.
    await until(() => {
      writeIfRead(pipe, "image");
      return late.latest.has(topics.image("Gate")) && late.latest.has(topics.image("Barn"));
    });
    expect(late.latest.get(topics.image("Barn"))).toStartWith("image");
  });

  test("leaves out what a broker of MQTT 5 says is too large once it has ended at it, and tells the others", async () => {
    await using broker = await new Broker({ lines: ["max_packet_size 6000"] }).start();
    await using listener = await broker.listen(["#"]);
    await using bench = new Bench(broker.port, { image_interval: 0 });
    bench.event("Barn|number|0");
    await bench.told();
    for (const each of range(30)) bench.event(`Barn|type${each}|${each}`);
    for (const text of ["a", "b"]) bench.event(`Barn|note|${text.repeat(4000)}`);
    bench.image("Gate", 1, new Uint8Array(400_000));
    bench.image("Barn", 1, Buffer.from("image"));
    bench.outlet.show(hubState(["Barn", "Gate"]));
    bench.event("Barn|number|1");
    await bench.told();
    await until(() => valuesOf(listener, "number").includes(1));
    await until(() => listener.latest.has(topics.image("Barn")));
    expect(listener.latest.has(topics.image("Gate"))).toBe(false);
    expect(listener.latest.has(topics.config(`${topics.id}-node-Gate`))).toBe(true);
    const config = topics.config(`${topics.id}-node-Barn`);
    const [closed, ...warnings] = bench.warnings;
    expect(closed).toBe("mqtt: The broker has closed the connection");
    expect(warnings.map((text) => text.replace(/ of \d+ bytes/, "")).toSorted()).toEqual(
      [
        `a state on ${config}`,
        `an event on ${topics.events("Barn")}`,
        `an image on ${topics.image("Gate")}`,
      ].map(
        (what) =>
          `mqtt: The broker takes up to 6000 bytes, and not ${what}: it is left out. Raise the broker's limit (mosquitto: max_packet_size)`,
      ),
    );
    expect(bench.outlet.tally.state).toMatchObject({ dropped: 4 });
  });

  test("finds the event and the image at which an older broker ends, and tells the others", async () => {
    await using broker = await new Broker({ lines: ["max_packet_size 6000"] }).start();
    await using old = await oldBroker(broker.port, "refuse");
    await using listener = await broker.listen(["farm/#"]);
    await using bench = new Bench(old.port);
    bench.event("Barn|number|0");
    await bench.told();
    bench.event(`Barn|note|${"a".repeat(4000)}`);
    bench.image("Gate", 1, new Uint8Array(400_000));
    for (const each of range(300).slice(1)) bench.event(`Barn|number|${each}`);
    await until(() => bench.outlet.tally.dropped === 2);
    bench.image("Gate", 2, new Uint8Array(400_000));
    await until(() => bench.outlet.tally.dropped === 3);
    bench.image("Gate", 3, Buffer.from("smaller"));
    await until(() => listener.latest.get(topics.image("Gate")) === "smaller");
    expect([...new Set(valuesOf(listener, "number"))]).toEqual(range(300));
    const end = "it is left out. Raise the broker's limit (mosquitto: max_packet_size)";
    expect(bench.warnings).toEqual([
      "mqtt: The broker has closed the connection",
      `mqtt: The broker ends the connection at an event of 8093 bytes on ${topics.events("Barn")}: ${end}`,
      `mqtt: The broker ends the connection at an image of 400000 bytes on ${topics.image("Gate")}: ${end}`,
    ]);
  });

  test("speaks MQTT 3.1.1 with a broker that says nothing to MQTT 5", async () => {
    await using broker = await new Broker().start();
    await using old = await oldBroker(broker.port, "close");
    await using bench = new Bench(old.port);
    bench.event("Barn|number|0");
    await bench.told();
    expect(bench.warnings).toEqual([]);
    // After this, the hub asks for the broker's limits, in vain.
    await broker.stop();
    await until(() => bench.outlet.tally.state.connected_since === null);
    await broker.start();
    await until(() => bench.outlet.tally.state.connected_since !== null);
    bench.event("Barn|number|1");
    await bench.told();
  });

  test("guesses that another hub has the same topic", async () => {
    await using broker = await new Broker().start();
    await using one = new Bench(broker.port);
    await using other = new Bench(broker.port);
    const reason = "mqtt: The broker has closed the connection";
    const both = [reason, `${reason} again and again: perhaps another hub has the same mqtt.topic`];
    await until(() => [one, other].some(({ warnings }) => warnings.length === 2));
    for (const { warnings } of [one, other])
      expect(warnings).toEqual(both.slice(0, warnings.length));
  });

  test("takes in no large message that comes from the broker", async () => {
    await using broker = await new Broker().start();
    await using bench = new Bench(broker.port);
    bench.event("Barn|number|0");
    await bench.told();
    const large = join(temp.path, `large-${count++}`);
    writeFileSync(large, new Uint8Array(70_000));
    broker.publishFile("homeassistant/status", large);
    await until(() => bench.warnings.length > 0);
    bench.event("Barn|number|1");
    await bench.told();
    expect(bench.warnings).toEqual([
      `mqtt: No connection to the broker at 127.0.0.1:${broker.port}: A message of more than 65536 bytes came from the broker`,
    ]);
  });

  test("tells all again when Home Assistant starts, or the broker has lost it", async () => {
    await using broker = await new Broker({ lines: ["persistence false"] }).start();
    await using bench = new Bench(broker.port);
    bench.event("Barn|Temp|76 F");
    bench.image("Barn", 1);
    bench.outlet.show(hubState(["Barn"]));
    await bench.told();
    const all = [
      topics.hub,
      topics.node("Barn"),
      topics.reading("Barn", "Temp"),
      topics.camera("Barn"),
      topics.image("Barn"),
      topics.config(topics.id),
      topics.config(`${topics.id}-node-Barn`),
    ];
    {
      await using listener = await broker.listen(["#"], "-R");
      expect([...listener.latest.keys()]).toEqual([]);
      broker.publish("homeassistant/status", "offline");
      broker.publish("homeassistant/status", "online");
      await until(() => all.every((topic) => listener.latest.has(topic)));
    }
    await broker.stop();
    await broker.start();
    await using listener = await broker.listen(["#"]);
    await until(() => [...all, topics.status].every((topic) => listener.latest.has(topic)));
    expect(bench.warnings).toEqual(["mqtt: The broker has closed the connection"]);
  });

  test("has a value whose platform changes removed first, also over a restart", async () => {
    await using broker = await new Broker().start();
    const config = topics.config(`${topics.id}-node-Barn`);
    await using listener = await broker.listen([config]);
    const lights = (): string[] =>
      listener.heard.map(({ payload }) => {
        const { components } = JSON.parse(payload.toString()) as {
          components: Record<string, { platform: string; name?: string }>;
        };
        const { platform, name } = components["value-Barn-light"] ?? {};
        return name === undefined ? `no ${platform}` : `${platform}`;
      });
    const change = async (bench: Bench, text: string): Promise<void> => {
      bench.event(text);
      const { length } = lights();
      for (const each of [1, 2]) {
        bench.outlet.show(hubState(["Barn"]));
        await until(() => lights().length === length + each);
        await bench.told();
      }
    };
    {
      await using bench = new Bench(broker.port);
      bench.event("Barn|light|dark");
      bench.outlet.show(hubState(["Barn"]));
      await bench.told();
      await change(bench, "Barn|light|12 lux");
    }
    await using bench = new Bench(broker.port);
    await change(bench, "Barn|light|dark");
    expect(lights()).toEqual([
      "binary_sensor",
      "no binary_sensor",
      "sensor",
      "no sensor",
      "binary_sensor",
    ]);
  });

  test("while the broker is away it holds the newest events, counts the others, and tells each once it is back", async () => {
    await using broker = await new Broker().start();
    await (await keeper(broker))[Symbol.asyncDispose]();
    await using bench = new Bench(broker.port);
    bench.event("Barn|number|0");
    await bench.told();
    await broker.stop();
    await until(() => bench.outlet.tally.state.connected_since === null);
    for (const each of range(21_001).slice(1)) bench.event(`Barn|number|${each}`);
    expect(bench.outlet.tally.dropped).toBe(1000);
    expect(bench.outlet.tally.waiting).toBeGreaterThanOrEqual(20_000);
    await broker.start();
    await bench.told();
    await using listener = await keeper(broker);
    await until(() => valuesOf(listener, "number").length > 20_000);
    expect(valuesOf(listener, "number")).toEqual([0, ...range(21_001).slice(1001)]);
  });

  test("loses no event when the broker ends in the middle, and may tell some twice", async () => {
    await using broker = await new Broker().start();
    await (await keeper(broker))[Symbol.asyncDispose]();
    await using bench = new Bench(broker.port);
    bench.event("Barn|number|0");
    await bench.told();
    const { sent } = bench.outlet.tally;
    for (const each of range(10_000).slice(1)) bench.event(`Barn|number|${each}`);
    await until(() => bench.outlet.tally.sent > sent + 100);
    await broker.stop();
    expect(bench.outlet.tally.waiting).toBeGreaterThan(1000);
    await broker.start();
    await bench.told();
    await using listener = await keeper(broker);
    await until(() => new Set(valuesOf(listener, "number")).size === 10_000);
    expect(bench.outlet.tally.dropped).toBe(0);
  });

  test("with a broker that takes nothing more, holds up nobody, holds no images, and ends in time", async () => {
    await using broker = await new Broker().start();
    await using bench = new Bench(broker.port, { image_interval: 0 });
    bench.event("Barn|number|0");
    await bench.told();
    broker.pause();
    const large = join(temp.path, "large");
    writeFileSync(large, new Uint8Array(4_000_000).fill(7));
    const before = process.memoryUsage().rss;
    for (const each of range(300)) {
      bench.image(`Camera${each % 100}`, each, large);
      bench.event(`Barn|number|${each}`);
      if (each % 50 === 0) await Bun.sleep(20);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    expect(bench.outlet.tally.dropped).toBe(0);
    await bench.outlet.finish(300);
    expect(bench.outlet.tally.dropped).toBe(300);
  });

  test("ends in order: what waits is told, then that it is offline", async () => {
    await using broker = await new Broker().start();
    await using listener = await broker.listen(["farm/hub/#"]);
    const bench = new Bench(broker.port);
    bench.event("Barn|number|0");
    await bench.told();
    for (const each of range(2000).slice(1)) bench.event(`Barn|number|${each}`);
    await bench.outlet.finish(10_000);
    await until(() => listener.latest.get(topics.status) === "offline");
    expect(valuesOf(listener, "number")).toEqual(range(2000));
    expect(listener.heard.at(-1)?.topic).toBe(topics.status);
    expect(bench.outlet.tally).toMatchObject({ dropped: 0, waiting: 0 });
  });

  test("ends at once while there is no broker", async () => {
    const bench = new Bench(1);
    await until(() => bench.warnings.length > 0);
    bench.event("Barn|number|0");
    await bench.outlet.finish(60_000);
    expect(bench.outlet.tally.dropped).toBe(1);
    expect(bench.warnings).toEqual(["mqtt: No broker listens at 127.0.0.1:1 (connection refused)"]);
  });
});
