import { describe, expect, test } from "bun:test";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";
import { Calendar } from "../../src/protocol/calendar.ts";
import { Activity, type Seen } from "../../src/receiver/activity.ts";
import { Silences } from "../../src/receiver/silences.ts";
import { createShared } from "../../src/shared/memory.ts";
import type { RememberedNode } from "../../src/shared/messages.ts";
import { FakeClock, UTC } from "../support/machine/fake-clock.ts";

const NOON = "2026-11-22T12:00:00.000000";
const NOON_MS = Date.parse("2026-11-22T12:00:00.000Z");
const HOUR_MS = 3_600_000;

interface Options {
  readonly cameras?: Settings["cameras"];
  readonly remembered?: readonly RememberedNode[];
}

/** The silences of a hub with a patience of ten minutes, and what they say. */
class Fixture {
  readonly clock = FakeClock.at(NOON, UTC);
  readonly log: string[] = [];
  readonly eventLog: string[] = [];
  readonly activity: Activity;
  readonly silences: Silences;
  /** Whether the event log has no room. */
  isFull = false;
  /** Nodes with a request in hand. */
  readonly waiting = new Set<string>();
  #nowMs = 5000;

  constructor({ cameras = GATES, remembered = [] }: Options = {}) {
    const report = (level: string, message: string): void =>
      void this.log.push(`${level} ${message}`);
    this.activity = new Activity({
      calendar: new Calendar(this.clock),
      shared: createShared(1),
      report,
    });
    this.activity.restore(remembered);
    const parts = {
      settings: { ...defaultSettings(), cameras },
      activity: this.activity,
      report,
      notice: (text: string) => !this.isFull && this.eventLog.push(text) > 0,
      waiting: () => new Set(this.activity.all.filter(({ name }) => this.waiting.has(name))),
    };
    this.silences = new Silences(parts, this.#nowMs);
  }

  send(...names: readonly string[]): void {
    const request: Seen = { node: undefined, day: 0, receivedMs: 0 };
    this.#nowMs++;
    this.clock.advance(0.001);
    for (const name of names) this.activity.seen(request, name, this.#nowMs, () => "::1");
  }

  /** Time goes by, with a look each second. @param stepS how far the wall clock goes each second */
  pass(seconds: number, stepS = 1): void {
    for (let second = 0; second < seconds; second++) {
      this.#nowMs += 1000;
      this.clock.advance(stepS);
      this.silences.look(this.#nowMs);
    }
  }

  /** The hub stands still: it looks only at the end. */
  standStill(seconds: number): void {
    this.#nowMs += seconds * 1000;
    this.clock.advance(seconds);
    this.silences.look(this.#nowMs);
  }

  get silent(): string[] {
    return this.activity.all.filter((row) => row.silentSinceMs > 0).map(({ name }) => name);
  }

  /** How long the first node was away, in seconds, as others are told. */
  get awayS(): number {
    return Math.round(this.activity.all[0]!.awayMs / 1000);
  }

  /** What is told, without the first messages of nodes. */
  get told(): string[] {
    return this.log.filter((line) => !line.includes("First message"));
  }
}

const GATES = [{ match: "Gate*", silent_after: 30 }];

function earlier(name: string, more: Partial<RememberedNode> = {}): RememberedNode {
  return {
    name,
    address: "10.0.0.1",
    lastSeenMs: NOON_MS - HOUR_MS,
    lastHeartbeatMs: 0,
    silentSinceMs: 0,
    isTold: false,
    ...more,
  };
}

describe("a node with an entry in cameras", () => {
  test("is told to be silent once, and to be back", () => {
    const fixture = new Fixture();
    fixture.send("Gate");
    fixture.pass(30 * 60);
    expect(fixture.told).toEqual([]);
    expect(fixture.silences.isWatching).toBe(true);
    fixture.pass(1);
    expect(fixture.told).toEqual(["warn Gate has been silent for 30 min"]);
    expect(fixture.eventLog).toEqual(["Gate has been silent for 30 min."]);
    expect(fixture.silent).toEqual(["Gate"]);
    expect(fixture.silences.isWatching).toBe(false);
    expect(fixture.activity.all[0]).toMatchObject({ silentAfter: 30, isTold: true });
    fixture.pass(2 * 3600 + 35 * 60);
    fixture.send("Gate");
    fixture.pass(10);
    expect(fixture.told.slice(1)).toEqual(["info Gate is back after 3 h 5 min"]);
    expect(fixture.eventLog.slice(1)).toEqual(["Gate is back after 3 h 5 min."]);
    expect(fixture.silent).toEqual([]);
    fixture.pass(30 * 60);
    expect(fixture.eventLog).toHaveLength(3);
  });

  test("is not silent as long as one of its views or its heartbeats are heard", () => {
    const fixture = new Fixture();
    fixture.send("Gate", "Gate Left", "Gate Right");
    for (const name of ["Gate Left", "Gate", "Gate Right"]) {
      fixture.pass(20 * 60);
      fixture.send(name);
    }
    fixture.pass(29 * 60);
    expect(fixture.told).toEqual([]);
    fixture.pass(2 * 60);
    expect(fixture.told).toEqual(["warn Gate has been silent for 30 min"]);
    expect(fixture.silent).toEqual(["Gate", "Gate Left", "Gate Right"]);
    // Another view of it counts, too.
    fixture.send("Gate Top");
    fixture.pass(1);
    expect(fixture.told[1]).toBe("info Gate is back after 31 min");
    expect(fixture.silent).toEqual([]);
  });

  test("has the first entry that matches, whatever its name has for spaces", () => {
    const cameras = [
      { match: "Barn Door", silent_after: 1 },
      { match: "Barn*", silent_after: 2 },
      { match: "*", silent_after: 3 },
    ];
    const fixture = new Fixture({ cameras });
    fixture.send("Barn Door", "Barn-Roof", "Yard", "");
    fixture.pass(61);
    expect(fixture.eventLog).toEqual(["Barn Door has been silent for 1 min."]);
    fixture.pass(60);
    expect(fixture.eventLog.slice(1)).toEqual(["Barn-Roof has been silent for 2 min."]);
    fixture.pass(60);
    expect(fixture.eventLog.slice(2)).toEqual([
      "Yard has been silent for 3 min.",
      "A node without a name has been silent for 3 min.",
    ]);
  });

  test("is told when the event log has room again", () => {
    const fixture = new Fixture();
    fixture.send("Gate");
    fixture.isFull = true;
    fixture.pass(31 * 60);
    expect([fixture.told, fixture.silent]).toEqual([[], []]);
    fixture.isFull = false;
    fixture.pass(1);
    expect(fixture.told).toHaveLength(1);
    fixture.isFull = true;
    fixture.send("Gate");
    fixture.pass(60);
    expect(fixture.silent).toEqual(["Gate"]);
    fixture.isFull = false;
    fixture.pass(1);
    expect(fixture.eventLog).toHaveLength(2);
    expect(fixture.eventLog[1]).toStartWith("Gate is back after 3");
  });

  test("does not flood the event log together with all others", () => {
    const fixture = new Fixture();
    fixture.send(...Array.from({ length: 1000 }, (_, index) => `Gate${index}`));
    fixture.pass(30 * 60 + 1);
    expect(fixture.eventLog).toHaveLength(32);
    fixture.pass(40);
    expect(new Set(fixture.eventLog).size).toBe(1000);
    expect(fixture.eventLog).toHaveLength(1000);
  });

  test("waits for the hub while its request is in hand, and is not silent", () => {
    const fixture = new Fixture();
    fixture.send("Gate", "Gate Left");
    fixture.waiting.add("Gate Left");
    fixture.pass(2 * 3600 - 60);
    fixture.waiting.clear();
    fixture.pass(30 * 60 - 1);
    expect(fixture.told).toEqual([]);
    fixture.pass(1);
    expect(fixture.told).toHaveLength(1);
  });
});

describe("time", () => {
  test("of the wall clock that is set makes no node silent, and hides no silence", () => {
    for (const stepS of [86_400, -86_400, 0]) {
      const fixture = new Fixture();
      fixture.send("Gate", "Yard");
      fixture.pass(30 * 60 - 1, 0);
      fixture.clock.advance(stepS * 365);
      fixture.pass(1, 0);
      expect([stepS, fixture.told]).toEqual([stepS, []]);
      fixture.pass(1, 0);
      expect(fixture.told).toEqual(["warn Gate has been silent for 30 min"]);
      expect(fixture.awayS).toBe(30 * 60);
      fixture.clock.advance(-stepS * 365);
      fixture.pass(60, 0);
      fixture.send("Gate");
      fixture.pass(1, 0);
      expect(fixture.told.slice(1)).toEqual(["info Gate is back after 31 min"]);
      expect(fixture.awayS).toBe(31 * 60 + 1);
    }
  });

  test("in which the hub stood still is no silence of the nodes", () => {
    const fixture = new Fixture();
    fixture.send("Gate");
    fixture.pass(29 * 60);
    fixture.standStill(3600);
    fixture.pass(50);
    expect(fixture.told).toEqual([]);
    fixture.pass(10);
    expect(fixture.told).toHaveLength(1);
  });
});

test("a node without an entry is silent after patience, and nothing is told", () => {
  const fixture = new Fixture();
  fixture.send("Yard", "Barn", "Barn Door");
  fixture.pass(9 * 60);
  fixture.send("Barn Door");
  fixture.pass(61);
  expect(fixture.silent).toEqual(["Yard"]);
  expect(fixture.activity.all[0]).toMatchObject({ silentAfter: null, isTold: false });
  expect(fixture.activity.all[0]!.silentSinceMs).toBe(fixture.clock.micros() / 1000);
  fixture.send("Yard");
  fixture.pass(1);
  expect(fixture.silent).toEqual([]);
  expect([fixture.told, fixture.eventLog]).toEqual([[], []]);
});

describe("a node of an earlier run", () => {
  test("has its full time from the start, and is told if it does not come back", () => {
    const fixture = new Fixture({ remembered: [earlier("Gate"), earlier("Yard")] });
    fixture.pass(30 * 60 - 1);
    expect(fixture.told).toEqual([]);
    fixture.pass(1);
    expect(fixture.told).toEqual(["warn Gate has been silent for 30 min"]);
    fixture.send("Gate");
    fixture.pass(1);
    expect(fixture.told[1]).toBe("info Gate is back after 1 h 30 min");
    expect(fixture.awayS).toBe(90 * 60);
  });

  test("that was told to be silent is not told again, but when it is back", () => {
    const silent = { silentSinceMs: NOON_MS - HOUR_MS / 2, isTold: true };
    const nodes = [earlier("Gate", silent), earlier("Gate Left", silent)];
    const fixture = new Fixture({ remembered: nodes });
    expect(fixture.silent).toEqual(["Gate", "Gate Left"]);
    fixture.pass(3600);
    expect(fixture.told).toEqual([]);
    fixture.send("Gate Left");
    fixture.pass(1);
    expect(fixture.log).toEqual([
      "info Gate is back after 2 h",
      "info First message from Gate Left",
    ]);
    expect(fixture.silent).toEqual([]);
  });

  test.each([
    ["in the future", NOON_MS + HOUR_MS],
    ["in 1970", 1000],
  ])("whose last message seems to be %s is back after what this run knows", (_, lastSeenMs) => {
    const silent = { lastSeenMs, silentSinceMs: NOON_MS, isTold: true };
    const fixture = new Fixture({ remembered: [earlier("Gate", silent)] });
    fixture.pass(59);
    fixture.send("Gate");
    fixture.pass(1);
    expect(fixture.told).toEqual(["info Gate is back after 1 min"]);
  });

  test("that was silent without an entry is told after its time, now that it has one", () => {
    const silent = { silentSinceMs: NOON_MS - HOUR_MS / 2, isTold: false };
    const nodes = [earlier("Gate", silent), earlier("Yard", silent)];
    const fixture = new Fixture({ remembered: nodes });
    expect(fixture.silent).toEqual(["Yard"]);
    fixture.pass(30 * 60);
    expect(fixture.eventLog).toEqual(["Gate has been silent for 30 min."]);
    expect(fixture.silent).toEqual(["Gate", "Yard"]);
  });
});

test("a node keeps its time when others come and go", () => {
  const fixture = new Fixture();
  fixture.send("Gate", "Yard");
  fixture.pass(20 * 60);
  fixture.send("Barn");
  fixture.pass(1);
  fixture.activity.forget(fixture.activity.all.filter(({ name }) => name === "Yard"));
  fixture.pass(10 * 60 - 1);
  expect(fixture.told).toEqual([]);
  fixture.pass(1);
  expect(fixture.told).toEqual(["warn Gate has been silent for 30 min"]);
  // It is forgotten, and comes back as a new node.
  fixture.activity.forget(fixture.activity.all.filter(({ name }) => name === "Gate"));
  fixture.pass(60);
  fixture.send("Gate");
  fixture.pass(60);
  expect(fixture.told).toHaveLength(1);
  expect(fixture.log.filter((line) => line === "info First message from Gate")).toHaveLength(2);
});
