import { expect, test } from "bun:test";
import { defaultSettings } from "../../src/config/schema.ts";
import { Calendar } from "../../src/protocol/calendar.ts";
import { Activity } from "../../src/receiver/activity.ts";
import { Complaints, type Report } from "../../src/receiver/complaints.ts";
import { FramedSlots } from "../../src/receiver/framed-slot.ts";
import { PendingRequest } from "../../src/receiver/pending-requests.ts";
import { Tally } from "../../src/receiver/tally.ts";
import { Counter, createShared } from "../../src/shared/memory.ts";
import { Kind, Outcome } from "../../src/shared/request-slot.ts";
import { FakeClock, UTC } from "../support/machine/fake-clock.ts";

/** A tally, what it says, and one request. */
class Fixture {
  readonly shared = createShared(1);
  readonly said: string[] = [];
  readonly request = new PendingRequest(new FramedSlots(this.shared.slots, true).at(0));
  readonly tally: Tally;

  constructor(curve = false) {
    const report: Report = (level, message) => void this.said.push(`${level} ${message}`);
    const calendar = new Calendar(FakeClock.at("2026-11-22T12:00:00.500000", UTC));
    const activity = new Activity({ calendar, shared: this.shared, report });
    const settings = { ...defaultSettings(), max_images_write: 3 };
    settings.curve = { ...settings.curve, server_key: curve ? "/keys/hub.key_secret" : "" };
    const complaints = new Complaints(report);
    this.tally = new Tally(settings, this.shared.counters, activity, complaints, report);
  }

  counts(...names: readonly (keyof typeof Counter)[]): number[] {
    return names.map((name) => this.shared.counters[Counter[name]]!);
  }
}

test.each([
  ["an image", Kind.jpeg, Outcome.stored, [1, 450, 0, 0]],
  ["an array", Kind.raw, Outcome.stored, [1, 450, 0, 0]],
  ["an event", Kind.event, Outcome.stored, [0, 0, 1, 0]],
  ["an image over the cap", Kind.jpeg, Outcome.overCap, [0, 0, 0, 1]],
  ["a line of the hub's own", Kind.notice, Outcome.stored, [0, 0, 0, 0]],
])("Tally counts %s", (_, kind, outcome, counts) => {
  const { tally, request, ...fixture } = new Fixture();
  request.slot.kind = kind;
  request.slot.outcome = outcome;
  request.slot.setPayload(0, 450);
  tally.stored(request);
  const { counters } = fixture.shared;
  expect(
    [Counter.images, Counter.imageBytes, Counter.events, Counter.imagesOverCap].map(
      (counter) => counters[counter],
    ),
  ).toEqual(counts);
  expect(tally.fullMicros).toBeUndefined();
});

test("Tally says once that a day's folder is full, and which day", () => {
  const fixture = new Fixture();
  const { slot } = fixture.request;
  slot.kind = Kind.jpeg;
  slot.outcome = Outcome.firstOverCap;
  slot.micros = 1_790_000_000_000_000;
  fixture.tally.stored(fixture.request);
  expect(fixture.tally.fullMicros).toBe(1_790_000_000_000_000);
  expect(fixture.said).toEqual([expect.stringMatching(/^warn Today's folder has .* 3 images/)]);
});

test.each([
  ["an image", Kind.raw, [1, 0]],
  ["an event", Kind.event, [1, 1]],
])("Tally counts %s that could not be stored, and says why on one line", (what, kind, counts) => {
  const fixture = new Fixture();
  const { slot } = fixture.request;
  slot.kind = kind;
  slot.failure = "ENOSPC: no space left\non device";
  expect(fixture.tally.failed(fixture.request)).toBe("ENOSPC: no space left on device");
  expect(fixture.counts("failed", "eventsFailed")).toEqual(counts);
  expect(fixture.said).toEqual([`error Could not store ${what}: ENOSPC: no space left on device`]);
});

test.each([
  ["without CURVE", false, 100],
  ["with CURVE", true, 199],
])("Tally counts what a message took on the wire %s", (_, curve, bytes) => {
  const { tally, request } = new Fixture(curve);
  request.slot.wireBytes = 100;
  const connection = { messages: 0, messageBytes: 0 } as Parameters<Tally["whole"]>[1];
  tally.whole(request, connection);
  expect(connection).toEqual({ messages: 1, messageBytes: bytes } as typeof connection);
});
