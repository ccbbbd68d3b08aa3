import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { newRow } from "../../src/receiver/activity.ts";
import type { NodeRow } from "../../src/shared/messages.ts";
import { toldNodesOf } from "../../src/http/hub-state.ts";
import { statesOf } from "../../src/http/silence.ts";
import { nodesOf } from "../../src/http/status.ts";
import { lacks, PARTS, PROGRAMS } from "../../scripts/lib/available.ts";
import { startHub } from "../support/hub/hub.ts";
import { answered, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { Sender } from "../support/peers/sender.ts";

setDefaultTimeout(120_000);

const TODAY = 20_261_122;

function row(name: string, more: Partial<NodeRow> = {}): NodeRow {
  return {
    ...newRow(name, 0),
    address: "::1",
    lastSeenMs: 1,
    day: TODAY,
    images: 2,
    events: 1,
    ...more,
  };
}

test("statesOf has each node once, by what it or its views have sent last", () => {
  const rows = [
    row("Barn Door", { lastSeenMs: 61_000, images: 3 }),
    row("Barn", { lastSeenMs: 1000, images: 2 }),
    row("Gate", {
      lastSeenMs: 1000,
      images: 0,
      silentAfter: 0.5,
      silentSinceMs: 31_000,
      isTold: true,
    }),
  ];
  expect(statesOf(nodesOf(rows, TODAY))).toEqual([
    {
      node: "Barn",
      silent: false,
      last_seen: "1970-01-01T00:01:01.000Z",
      silent_after: null,
      silent_since: null,
      images_today: 5,
    },
    {
      node: "Gate",
      silent: true,
      last_seen: "1970-01-01T00:00:01.000Z",
      silent_after: 0.5,
      silent_since: "1970-01-01T00:00:31.000Z",
      images_today: 0,
    },
  ]);
});

test("toldNodesOf has how long a node was away, which no wall clock knows", () => {
  const away = { awayMs: 1_800_000 };
  const rows = [row("Barn Door"), row("Barn", away), row("Gate Left", away), row("Yard")];
  expect(toldNodesOf(rows, TODAY).map(({ node, awayMs }) => [node, awayMs])).toEqual([
    ["Barn", 1_800_000],
    ["Gate Left", 1_800_000],
    ["Yard", 0],
  ]);
});

describe("nodesOf", () => {
  test.each<[names: string[], rows: [node: string, view: string][]]>([
    [["Barn Door"], [["Barn Door", ""]]],
    [
      ["Barn Door", "Barn"],
      [
        ["Barn", ""],
        ["Barn", "Door"],
      ],
    ],
    [
      ["Front Barn Side Door", "Front Barn"],
      [
        ["Front Barn", ""],
        ["Front Barn", "Side Door"],
      ],
    ],
    [
      ["Barn", "Barnyard", "Barn-Door"],
      [
        ["Barn", ""],
        ["Barn-Door", ""],
        ["Barnyard", ""],
      ],
    ],
    [
      ["", "x"],
      [
        ["", ""],
        ["x", ""],
      ],
    ],
  ])("tells node and view apart in %j", (names, expected) => {
    const rows = nodesOf(
      names.map((name) => row(name)),
      TODAY,
    );
    expect(rows.map(({ node, view }) => [node, view])).toEqual(expected);
  });

  test("shows at a view the heartbeat of its node", () => {
    const rows = nodesOf(
      [row("Barn", { lastHeartbeatMs: 1000 }), row("Barn Door"), row("Garage")],
      TODAY,
    );
    expect(rows.map(({ last_heartbeat: heartbeat }) => heartbeat)).toEqual([
      "1970-01-01T00:00:01.000Z",
      "1970-01-01T00:00:01.000Z",
      null,
    ]);
  });

  test("shows no images and events of another day", () => {
    expect(nodesOf([row("Barn", { day: TODAY - 1 })], TODAY)[0]).toMatchObject({
      images_today: 0,
      events_today: 0,
    });
    expect(nodesOf([row("Barn")], TODAY)[0]).toMatchObject({ images_today: 2, events_today: 1 });
  });
});

describe.each(PROGRAMS.filter((program) => program !== "arm64"))(
  "/api/status of a hub (%s)",
  (program) => {
    test.skipIf(lacks("python", ...PARTS[program]))(
      "tells what has come, of whom, and with which settings",
      async () => {
        await using hub = await startHub({
          program,
          env: WITH_HTTP,
          settings: { hub: { patience: 3 } },
        });
        await using sender = new Sender(hub.port);
        await sender.jpg("Barn Door|jpg|moving", { size: 20_000 });
        // A PNG counts like a JPEG.
        await sender.array("Barn Door|image|depth", { dtype: "uint16", shape: [100, 100] });
        await sender.event("Barn|Restart|rpi");
        await sender.heartbeat("Barn");
        await sender.event("ROI");
        await sender.frames(["no json", "x"]);
        const status = await answered(
          async () => await statusOf(hub),
          ({ nodes }) => nodes.length === 2 && nodes.every((node) => node.last_heartbeat !== null),
        );
        expect(status).toMatchObject({
          healthy: true,
          reasons: [],
          settings: {
            patience: 3,
            data_directory: hub.dataDir,
            http: { listen: "127.0.0.1:0", token_file: "" },
          },
          totals: {
            images: 2,
            image_bytes: 40_000,
            events: 1,
            heartbeats: 1,
            tests: 1,
            refused: 1,
            failed: 0,
          },
          queue: { capacity: 2500 },
          today: { date: hub.today(), images: 2, limit: 5000 },
          nodes: [
            { node: "Barn", view: "", address: "127.0.0.1", images_today: 0, events_today: 1 },
            { node: "Barn", view: "Door", address: "127.0.0.1", images_today: 2, events_today: 0 },
          ],
        });
        expect(status.disk.free_bytes).toBeGreaterThan(0);
        expect(Date.parse(status.nodes[0]!.last_heartbeat!)).toBeLessThanOrEqual(
          Date.parse(status.time),
        );
        // After a restart, the day's folder still counts, and the nodes are known.
        await hub.stop();
        await using next = await startHub({
          program,
          env: WITH_HTTP,
          dir: hub.dir,
          timezone: hub.timezone,
        });
        const again = await answered(
          async () => await statusOf(next),
          ({ nodes }) => nodes.length === 2,
        );
        const barn = { node: "Barn", address: "127.0.0.1", images_today: 0, events_today: 0 };
        expect(again).toMatchObject({
          today: { images: 2 },
          nodes: [
            { ...barn, view: "", last_seen: status.nodes[0]!.last_seen },
            { ...barn, view: "Door", last_seen: status.nodes[1]!.last_seen },
          ],
          totals: { images: 0 },
        });
      },
    );
  },
);
