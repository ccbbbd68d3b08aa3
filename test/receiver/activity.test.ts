import { describe, expect, test } from "bun:test";
import { Calendar } from "../../src/protocol/calendar.ts";
import { NODES_MAX } from "../../src/limits.ts";
import { Activity, type Seen } from "../../src/receiver/activity.ts";
import type { NodeRow } from "../../src/shared/messages.ts";
import { readHistograms } from "../../src/shared/histogram.ts";
import { createShared, histogramAt } from "../../src/shared/memory.ts";
import { FakeClock, LOS_ANGELES } from "../support/machine/fake-clock.ts";

/**
 * An activity with a clock that stands, in a place where it is yesterday still, and what it
 * reports.
 */
class Fixture {
  readonly clock = FakeClock.at("2026-11-22T12:00:00.500000", LOS_ANGELES);
  readonly shared = createShared(4);
  readonly reports: string[] = [];
  readonly activity = new Activity({
    calendar: new Calendar(this.clock),
    shared: this.shared,
    report: (level, message, fields) =>
      this.reports.push(`${level} ${message} ${String(fields?.["address"])}`),
  });
  /** Requests in hand. */
  readonly requests: readonly Seen[] = Array.from({ length: 4 }, () => ({
    node: undefined,
    day: 0,
    receivedMs: 0,
  }));
  #nowMs = 0;

  seen(name: string, request = 0, address = "10.0.0.1"): void {
    this.#nowMs += 0.01;
    this.activity.seen(this.requests[request]!, name, this.#nowMs, () => address);
  }

  /** What the main thread is told some time later. */
  told(laterMs = 1000): ReturnType<Activity["nextMessage"]> {
    this.#nowMs += laterMs;
    return this.activity.nextMessage(this.#nowMs);
  }

  row(): NodeRow | undefined {
    return this.told()?.nodes[0];
  }
}

const NOON_MS = Date.parse("2026-11-22T12:00:00.500Z");

describe("Activity", () => {
  test("tells of a node what has come of it", () => {
    const fixture = new Fixture();
    fixture.seen("Barn Door");
    fixture.activity.stored(fixture.requests[0]!, "image");
    fixture.seen("Barn Door", 1);
    fixture.activity.stored(fixture.requests[1]!, "event");
    fixture.seen("Barn Door", 2);
    fixture.activity.heartbeat(fixture.requests[2]!);
    expect(fixture.told()).toEqual({
      type: "activity",
      nodes: [
        {
          place: 0,
          name: "Barn Door",
          address: "10.0.0.1",
          lastSeenMs: NOON_MS,
          lastHeartbeatMs: NOON_MS,
          day: 20_261_122,
          images: 1,
          events: 1,
          silentAfter: null,
          silentSinceMs: 0,
          isTold: false,
          awayMs: 0,
        },
      ],
      count: 1,
      isNews: true,
      outcomes: { image: null, event: null },
    });
  });

  test("tells at most once a second, and only of what has changed", () => {
    const fixture = new Fixture();
    fixture.seen("A");
    fixture.seen("B");
    expect(fixture.activity.pending).toBe(true);
    expect(fixture.told()?.nodes.map(({ name }) => name)).toEqual(["A", "B"]);
    expect(fixture.activity.pending).toBe(false);
    expect(fixture.told()).toBeUndefined();
    fixture.seen("A");
    expect(fixture.told()?.nodes.map(({ name }) => name)).toEqual(["A"]);
    fixture.seen("B");
    expect(fixture.told(999)).toBeUndefined();
    expect(fixture.told()?.nodes.map(({ name }) => name)).toEqual(["B"]);
  });

  test("logs the first message of a node, and follows it to another address", () => {
    const fixture = new Fixture();
    fixture.seen("A", 0, "10.0.0.1");
    fixture.told();
    fixture.seen("A", 0, "10.0.0.2");
    expect(fixture.row()?.address).toBe("10.0.0.2");
    fixture.seen("", 0, "10.0.0.3");
    expect(fixture.reports).toEqual([
      "info First message from A 10.0.0.1",
      "info First message from a node without a name 10.0.0.3",
    ]);
  });

  test("begins to count anew with each local day, also where the clock is set back", () => {
    const fixture = new Fixture();
    const send = (utc: string): NodeRow | undefined => {
      fixture.clock.set(utc);
      fixture.seen("A");
      fixture.activity.stored(fixture.requests[0]!, "image");
      return fixture.row();
    };
    expect(send("2026-11-22T07:59:58")).toMatchObject({ day: 20_261_121, images: 1 });
    expect(send("2026-11-22T07:59:59.999999")).toMatchObject({ day: 20_261_121, images: 2 });
    expect(send("2026-11-22T08:00:00")).toMatchObject({ day: 20_261_122, images: 1 });
    expect(send("2026-11-21T12:00:00")).toMatchObject({ day: 20_261_121, images: 1 });
  });

  test("does not count what came yesterday and is stored today", () => {
    const fixture = new Fixture();
    fixture.clock.set("2026-11-22T07:59:59");
    fixture.seen("A", 0);
    fixture.clock.set("2026-11-22T08:00:01");
    fixture.seen("A", 1);
    fixture.activity.stored(fixture.requests[0]!, "image");
    fixture.activity.stored(fixture.requests[1]!, "image");
    expect(fixture.row()).toMatchObject({ day: 20_261_122, images: 1 });
  });

  test("tells of a disk that fails until something of that kind is stored again", () => {
    const fixture = new Fixture();
    fixture.activity.failed("image", "No space", "ENOSPC");
    fixture.activity.failed("event", "Not the disk", undefined);
    expect(fixture.told()?.outcomes).toEqual({ image: "No space" });
    fixture.activity.stored(fixture.requests[0]!, "event");
    fixture.activity.failed("image", "No space", "ENOSPC");
    expect(fixture.told()?.outcomes).toEqual({ image: "No space", event: null });
    fixture.activity.failed("image", "No space", "ENOSPC");
    fixture.activity.stored(fixture.requests[0]!, "image");
    expect(fixture.told()?.outcomes).toEqual({ image: null });
  });

  test("counts how long answers took", () => {
    const fixture = new Fixture();
    fixture.seen("A", 0);
    fixture.activity.answered(fixture.requests[0]!, 3.01);
    const { count, sumSeconds } = readHistograms([histogramAt(fixture.shared)]);
    expect(count).toBe(1);
    expect(sumSeconds).toBeCloseTo(0.003, 9);
  });

  test("has the nodes of an earlier run, and tells of them at first", () => {
    const fixture = new Fixture();
    const node = { address: "10.0.0.9", lastSeenMs: 1, lastHeartbeatMs: 0 };
    fixture.activity.restore([
      { ...node, name: "A", silentSinceMs: 0, isTold: false },
      { ...node, name: "B", silentSinceMs: 2, isTold: true },
    ]);
    expect(fixture.told()).toMatchObject({
      nodes: [
        { place: 0, name: "A", address: "10.0.0.9", lastSeenMs: 1, images: 0 },
        { place: 1, name: "B", silentSinceMs: 2, isTold: true },
      ],
      count: 2,
      isNews: false,
    });
    fixture.seen("B");
    expect(fixture.row()).toMatchObject({ place: 1, name: "B", lastSeenMs: NOON_MS });
  });

  test("forgets nodes without a gap, and meets them again", () => {
    const fixture = new Fixture();
    for (const [index, name] of ["A", "B", "C"].entries()) fixture.seen(name, index);
    fixture.told();
    const [a, b, c] = fixture.activity.all;
    fixture.activity.forget([a!, b!]);
    expect(fixture.told()).toMatchObject({
      nodes: [{ place: 0, name: "C" }],
      count: 1,
      isNews: true,
    });
    // What they had in hand does not count for the one in their place.
    for (const request of fixture.requests.slice(0, 2)) fixture.activity.stored(request, "image");
    expect(c).toMatchObject({ place: 0, images: 0 });
    fixture.activity.stored(fixture.requests[2]!, "image");
    fixture.seen("A", 0);
    expect(fixture.told()?.nodes).toMatchObject([
      { place: 0, name: "C", images: 1 },
      { place: 1, name: "A", images: 0 },
    ]);
    expect(fixture.reports.filter((line) => line.includes("message from A"))).toHaveLength(2);
  });

  test("has so many nodes at most; one that was silent for more than a day gives way", () => {
    const fixture = new Fixture();
    for (let index = 0; index < NODES_MAX; index++) fixture.seen(`node ${index}`);
    fixture.seen("One more");
    const known = fixture.told()!.nodes;
    expect(known).toHaveLength(NODES_MAX);
    expect(known.some(({ name }) => name === "One more")).toBe(false);
    expect(fixture.reports.at(-1)).toStartWith(
      `warn There are ${NODES_MAX} nodes: the first messages of further ones`,
    );

    fixture.clock.advance(86_000);
    for (let index = 1; index < NODES_MAX; index++) fixture.seen(`node ${index}`);
    fixture.clock.advance(401);
    fixture.seen("One more", 3);
    const [{ place }, ...others] = fixture
      .told()!
      .nodes.filter(({ name }) => name === "One more") as [NodeRow];
    expect(place).toBe(0);
    expect(others).toEqual([]);
    // The one that gave way comes again, and there is no place for it.
    fixture.seen("node 0");
    expect(fixture.told()).toBeUndefined();
    expect(fixture.reports).toHaveLength(NODES_MAX + 1);
  });
});
