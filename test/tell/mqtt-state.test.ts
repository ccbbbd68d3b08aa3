import { describe, expect, test } from "bun:test";
import type { HubState } from "../../src/shared/messages.ts";
import { Retained } from "../../src/tell/mqtt-retained.ts";
import { MqttState } from "../../src/tell/mqtt-state.ts";
import { Topics } from "../../src/tell/mqtt-topics.ts";
import { hubState } from "../support/peers/hub-state.ts";

const topics = new Topics("farm/hub", "homeassistant");

/** Some time after the nodes of {@link hubState} were seen, in milliseconds since 1970. */
const NOW_MS = Date.parse("2026-11-29T12:01:00.000Z");

const at = "2026-11-29 12:00:00,000";

/** What a broker would keep. */
class Bench {
  readonly retained = new Retained();
  readonly state: MqttState;
  readonly topics = new Map<string, string>();
  isConfirming = true;

  constructor(isDiscovered = true) {
    this.state = new MqttState({
      topics,
      retained: this.retained,
      isDiscovered,
      silentAfter: (node) => (node === "Gate" ? 30 : 10),
      folderOf: (date) => `/images/${date}`,
    });
  }

  event(text: string): void {
    this.state.event({ at, text, isHub: false });
  }

  image(camera: string, suffix = "jpg"): void {
    const name = `${camera}-2026-11-29T12.00.00.000000.${suffix}`;
    this.state.image({ camera, date: "2026-11-29", name, micros: 0 });
  }

  show(hub: HubState, nowMs = NOW_MS, clockMs = nowMs): void {
    this.state.show(hub, nowMs, clockMs);
    this.tell();
  }

  /** @returns the topics that were told, in their order */
  tell(): string[] {
    const told: string[] = [];
    for (const kind of ["text", "image"] as const)
      for (let topic = this.retained.next(kind); topic !== undefined;) {
        told.push(topic);
        const payload = this.retained.take(topic);
        const text = typeof payload === "string" ? payload : payload.file;
        if (text === "") this.topics.delete(topic);
        else this.topics.set(topic, text);
        if (this.isConfirming) this.retained.done(topic);
        topic = this.retained.next(kind);
      }
    return told;
  }

  json(topic: string): Record<string, unknown> {
    return JSON.parse(this.topics.get(topic) ?? "null") as Record<string, unknown>;
  }

  /** The keys of what hangs on a device. */
  parts(id: string): string[] {
    const { components } = this.json(topics.config(id)) as { components: object };
    return Object.keys(components).filter((key) => /^(?:image|value)-/.test(key));
  }

  get names(): string[] {
    return [...this.topics.keys()].toSorted();
  }
}

const node = (name: string): string => `${topics.id}-node-${name}`;

/** Names of nodes. */
function names(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `Node${from + index}`);
}

/** What hangs on a device: the keys, and those that are only told with their platform. */
function partsIn(bench: Bench, id: string): { there: string[]; gone: string[] } {
  const { components } = bench.json(topics.config(id)) as { components: object };
  const parts = Object.entries(components).filter(([key]) => /^(?:image|value)-/.test(key));
  const { there = [], gone = [] } = Object.groupBy(parts, ([, part]) =>
    Object.keys(part as object).join() === "platform" ? "gone" : "there",
  );
  const keys = (some: typeof parts): string[] => some.map(([key]) => key);
  return { there: keys(there), gone: keys(gone) };
}

function platformOf(bench: Bench, id: string, key: string): unknown {
  const { components } = bench.json(topics.config(id)) as {
    components: Record<string, { platform: string }>;
  };
  return components[key]?.platform;
}

/** A node that was seen so many seconds after {@link NOW_MS}. */
function seen(seconds: number, silent = false): HubState {
  return hubState([
    {
      node: "Barn",
      silent,
      last_seen: new Date(NOW_MS + seconds * 1000).toISOString(),
      silent_after: null,
      silent_since: null,
      images_today: seconds,
    },
  ]);
}

describe("MqttState", () => {
  test("hangs readings and images of views on their node", () => {
    const bench = new Bench();
    bench.event("Barn|Temp|76 F");
    bench.event("Barn Door|motion|moving");
    bench.image("Barn-Door");
    bench.image("Gate", "png");
    bench.show(hubState(["Barn", "Gate"]));
    expect(bench.parts(node("Barn"))).toEqual([
      "value-Barn_20Door-motion",
      "value-Barn-Temp",
      "image-Barn_2DDoor",
    ]);
    expect(bench.parts(node("Gate"))).toEqual(["image-Gate"]);
    expect(bench.json(topics.camera("Gate"))["content_type"]).toBe("image/png");
    expect(bench.topics.get(topics.image("Barn-Door"))).toBe(
      "/images/2026-11-29/Barn-Door-2026-11-29T12.00.00.000000.jpg",
    );
    expect(bench.json(topics.reading("Barn", "Temp"))).toEqual({
      node: "Barn",
      type: "Temp",
      value: 76,
      unit: "F",
      time: at,
    });
  });

  test("gives a camera without a node a device of its own, and takes it away when the node comes", () => {
    const bench = new Bench();
    bench.image("Porch");
    bench.show(hubState());
    const own = topics.config(`${topics.id}-camera-Porch`);
    expect(bench.names).not.toContain(own);
    bench.show(hubState());
    expect(bench.parts(`${topics.id}-camera-Porch`)).toEqual(["image-Porch"]);
    bench.show(hubState(["Porch"]));
    expect(bench.names).not.toContain(own);
    expect(bench.parts(node("Porch"))).toEqual([]);
    bench.show(hubState(["Porch"]));
    expect(bench.parts(node("Porch"))).toEqual(["image-Porch"]);
  });

  test("empties all topics of a forgotten node, and no others", () => {
    const bench = new Bench();
    bench.show(hubState(["Gate"]));
    bench.event("Gate|Temp|70 F");
    const before = bench.names;
    bench.event("Barn|Temp|76 F");
    bench.event("Barn Door|motion|moving");
    bench.image("Barn");
    bench.image("Barn-Door");
    bench.show(hubState(["Barn", "Gate"]));
    expect(bench.names.length).toBe(before.length + 9);
    bench.isConfirming = false;
    bench.show(hubState(["Gate"], { forgotten: ["Barn", "Fox"] }));
    expect(bench.names).toEqual([...before, topics.reading("Gate", "Temp")].toSorted());
    bench.retained.again();
    const told = bench.tell();
    expect(told).toContain(topics.config(node("Barn")));
    expect(bench.names).toEqual([...before, topics.reading("Gate", "Temp")].toSorted());
  });

  test("keeps what a view has told when its node turns up", () => {
    const bench = new Bench();
    bench.event("Barn Door|motion|moving");
    bench.image("Barn-Door");
    bench.show(hubState(["Barn Door"]));
    expect(bench.parts(node("Barn_20Door")).length).toBe(2);
    bench.show(hubState(["Barn"]));
    expect(bench.parts(node("Barn"))).toEqual([]);
    bench.show(hubState(["Barn"]));
    expect(bench.parts(node("Barn"))).toEqual(["value-Barn_20Door-motion", "image-Barn_2DDoor"]);
    expect(bench.names).not.toContain(topics.config(node("Barn_20Door")));
    expect(bench.names).not.toContain(topics.node("Barn Door"));
    expect(bench.names).toContain(topics.image("Barn-Door"));
  });

  test("knows again what an earlier run has told, and which of its nodes are silent", () => {
    const earlier = new Bench();
    earlier.event("Barn Door|motion|moving");
    earlier.image("Barn-Door");
    earlier.show(hubState(["Barn"]));
    const bench = new Bench();
    for (const [topic, text] of earlier.topics) bench.state.learn(topic, text);
    bench.state.learned();
    bench.show(hubState(), NOW_MS + 600_000);
    expect(bench.parts(node("Barn"))).toEqual(["value-Barn_20Door-motion", "image-Barn_2DDoor"]);
    expect(bench.json(topics.node("Barn"))["silent"]).toBe(true);
    bench.show(hubState(["Barn"]), NOW_MS + 600_000);
    expect(bench.json(topics.node("Barn"))["silent"]).toBe(false);
  });

  test.each([
    ["empties what an earlier run has told of a node that was forgotten since", ["Barn"], false],
    ["keeps what an earlier run has told of a node that is only missing", [], true],
  ])("%s", (_, forgotten, isKept) => {
    const earlier = new Bench();
    earlier.event("Barn|Temp|1 F");
    earlier.image("Barn-Door");
    earlier.show(hubState(["Barn", "Gate"]));
    const bench = new Bench();
    for (const [topic, text] of earlier.topics) bench.topics.set(topic, text);
    bench.show(hubState());
    bench.show(hubState(["Gate"], { forgotten }));
    for (const [topic, text] of earlier.topics) bench.state.learn(topic, text);
    bench.state.learned();
    bench.show(hubState(["Gate"], { forgotten }));
    const ofBarn = bench.names.filter((name) => name.includes("Barn"));
    expect(ofBarn.length).toBe(isKept ? 5 : 0);
    expect(bench.names).toContain(topics.config(node("Gate")));
  });

  test("does not learn what is newer here, or what is none of its own", () => {
    const earlier = new Bench();
    earlier.event("Barn|Temp|1 F");
    earlier.show(hubState(["Barn"]));
    const bench = new Bench();
    bench.event("Barn|Temp|2 F");
    for (const [topic, text] of earlier.topics) bench.state.learn(topic, text);
    bench.state.learn(topics.node("Fox"), earlier.topics.get(topics.node("Barn")) ?? "");
    for (const text of ["", "{", "null", "[]", '{"node":7}', "\u0000"])
      bench.state.learn(topics.node("Fox"), text);
    bench.state.learned();
    bench.show(hubState(["Barn"]));
    expect(bench.json(topics.reading("Barn", "Temp"))["value"]).toBe(2);
    expect(bench.names.filter((name) => name.includes("Fox"))).toEqual([]);
  });

  test("a node that only the broker knows falls silent after its own time", () => {
    const earlier = new Bench();
    earlier.show(hubState(["Barn", "Gate"]));
    const bench = new Bench();
    for (const [topic, text] of earlier.topics) bench.state.learn(topic, text);
    bench.state.learned();
    const silent = (minutes: number): unknown[] => {
      // The nodes were seen a minute before.
      bench.show(hubState(), NOW_MS + (minutes - 1) * 60_000 + 1, minutes * 60_000);
      return ["Barn", "Gate"].map((name) => bench.json(topics.node(name))["silent"]);
    };
    expect([9, 10, 29, 30].map(silent)).toEqual([
      [false, false],
      [true, false],
      [true, false],
      [true, true],
    ]);
  });

  test("holds as many nodes as the hub can know: those seen longest ago make room", () => {
    const bench = new Bench();
    bench.show(hubState(names(0, 1000)));
    bench.show(hubState(names(500, 1500)));
    const states = bench.names.filter((name) => name.startsWith("farm/hub/nodes/"));
    expect(states.toSorted()).toEqual(
      names(500, 1500)
        .map((name) => topics.node(name))
        .toSorted(),
    );
  });

  describe("has a part that goes removed first, and told elsewhere when the broker has that", () => {
    const LIGHT = "value-Barn-light";

    test("if its platform changes", () => {
      const bench = new Bench();
      bench.event("Barn|light|dark");
      bench.show(hubState(["Barn"]));
      expect(partsIn(bench, node("Barn"))).toEqual({ there: [LIGHT], gone: [] });
      bench.event("Barn|light|12 lux");
      bench.isConfirming = false;
      for (const _ of [1, 2]) {
        bench.show(hubState(["Barn"]));
        expect(partsIn(bench, node("Barn"))).toEqual({ there: [], gone: [LIGHT] });
        expect(platformOf(bench, node("Barn"), LIGHT)).toBe("binary_sensor");
      }
      bench.retained.done(topics.config(node("Barn")));
      bench.show(hubState(["Barn"]));
      expect(partsIn(bench, node("Barn"))).toEqual({ there: [LIGHT], gone: [] });
      expect(platformOf(bench, node("Barn"), LIGHT)).toBe("sensor");
    });

    test("if its platform has changed over a restart", () => {
      const earlier = new Bench();
      earlier.event("Barn|light|dark");
      earlier.show(hubState(["Barn"]));
      const bench = new Bench();
      bench.event("Barn|light|12 lux");
      bench.show(hubState(["Barn"]));
      for (const [topic, text] of earlier.topics) bench.state.learn(topic, text);
      bench.state.learned();
      bench.show(hubState(["Barn"]));
      expect(platformOf(bench, node("Barn"), LIGHT)).toBe("binary_sensor");
      expect(partsIn(bench, node("Barn")).gone).toEqual([LIGHT]);
      bench.show(hubState(["Barn"]));
      expect(platformOf(bench, node("Barn"), LIGHT)).toBe("sensor");
    });

    test("if an image moves to another device", () => {
      const bench = new Bench();
      bench.image("Barn-Door");
      bench.show(hubState(["Barn"]));
      bench.show(hubState(["Barn", "Barn-Door"]));
      expect(partsIn(bench, node("Barn"))).toEqual({ there: [], gone: ["image-Barn_2DDoor"] });
      expect(partsIn(bench, node("Barn_2DDoor"))).toEqual({ there: [], gone: [] });
      bench.show(hubState(["Barn", "Barn-Door"]));
      expect(partsIn(bench, node("Barn"))).toEqual({ there: [], gone: [] });
      expect(partsIn(bench, node("Barn_2DDoor")).there).toEqual(["image-Barn_2DDoor"]);
    });

    test("if it makes room for others", () => {
      const bench = new Bench();
      for (let each = 0; each < 2000; each++) bench.event(`Barn|type${each}|1`);
      bench.show(hubState(["Barn"]));
      bench.event("Barn|Temp|1");
      bench.show(hubState(["Barn"]));
      expect(partsIn(bench, node("Barn")).gone).toEqual(["value-Barn-type0"]);
      bench.show(hubState(["Barn"]));
      expect(partsIn(bench, node("Barn")).gone).toEqual([]);
      expect(bench.parts(node("Barn"))).not.toContain("value-Barn-type0");
    });
  });

  test("tells what changes all the time only now and then", () => {
    const bench = new Bench();
    const told = (hub: HubState, seconds: number): string[] => {
      // The clock of the machine is set back all the time.
      bench.state.show(hub, NOW_MS - seconds * 1000, seconds * 1000);
      return bench.tell();
    };
    bench.show(seen(0), NOW_MS, 0);
    expect(told(seen(5), 5)).toEqual([]);
    expect(told(seen(29), 29.9)).toEqual([]);
    expect(told(seen(30), 30)).toEqual([topics.node("Barn")]);
    expect(told(seen(30, true), 31)).toEqual([topics.node("Barn")]);
    const ill = { ...seen(30, true), health: { healthy: false, reasons: ["disk"], notices: [] } };
    expect(told(ill, 32)).toEqual([topics.hub]);
    expect(bench.json(topics.hub)).toMatchObject({ healthy: false, reasons: ["disk"] });
  });

  test("has no topics for Home Assistant if it is not wanted", () => {
    const bench = new Bench(false);
    bench.show(hubState(["Barn"]));
    bench.show(hubState([], { forgotten: ["Barn"] }));
    expect(bench.names).toEqual([topics.hub]);
  });

  test("holds a bounded number of readings and cameras: the oldest make room", () => {
    const bench = new Bench();
    for (let each = 0; each < 3000; each++) {
      bench.event(`Barn|type${each}|1`);
      bench.image(`Camera${each}`);
      bench.event("Barn|Temp|7 F");
      if (each % 100 === 0) bench.tell();
    }
    bench.tell();
    expect(bench.names.length).toBe(2000 + 2 * 1000);
    expect(bench.names).toContain(topics.reading("Barn", "Temp"));
    expect(bench.names).toContain(topics.image("Camera2999"));
    bench.event("Barn|type0|2");
    const oldest = topics.reading("Barn", "type1001");
    expect(bench.tell().toSorted()).toEqual([topics.reading("Barn", "type0"), oldest].toSorted());
    expect(bench.names).not.toContain(oldest);
    bench.image("Camera0");
    bench.tell();
    expect(bench.names).not.toContain(topics.image("Camera2000"));
  });

  test("tells the same message again when a reading comes again", () => {
    const bench = new Bench();
    for (const type of ["Temp", "humidity"]) bench.event(`Barn|${type}|1`);
    bench.show(hubState(["Barn"]));
    bench.event("Barn|Temp|2");
    bench.state.show(hubState(["Barn"]), NOW_MS, NOW_MS);
    expect(bench.tell()).toEqual([topics.reading("Barn", "Temp")]);
  });
});
