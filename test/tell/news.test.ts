import { expect, test } from "bun:test";
import type { HubState, ToldNode } from "../../src/shared/messages.ts";
import { newsBetween } from "../../src/tell/news.ts";

const node = (name: string, more: Partial<ToldNode> = {}): ToldNode => ({
  node: name,
  silent: false,
  last_seen: "2026-11-22T12:00:00.000Z",
  silent_after: 30,
  silent_since: null,
  images_today: 0,
  awayMs: 0,
  ...more,
});

const hub = (more: Partial<HubState> = {}): HubState => ({
  health: { healthy: true, reasons: [], notices: [] },
  nodes: [],
  forgotten: [],
  imagesToday: 0,
  freeBytes: 1000,
  sizeBytes: 2000,
  outlook: "never",
  fullInDays: undefined,
  diskWarning: undefined,
  ...more,
});

const SILENT = { silent: true, silent_since: "2026-11-22T12:30:00.000Z", awayMs: 30 * 60_000 };

test("newsBetween tells that a node has fallen silent, or is back, after what the log says", () => {
  const well = hub({ nodes: [node("Gate"), node("Barn")] });
  const silent = hub({ nodes: [node("Gate", SILENT), node("Barn")] });
  // The clock was set meanwhile.
  const last_seen = "1970-01-01T00:00:05.000Z";
  const back = hub({ nodes: [node("Gate", { last_seen, awayMs: 185 * 60_000 }), node("Barn")] });
  const common = { type: "silent", node: "Gate" } as const;
  expect(newsBetween(well, silent)).toEqual([
    { ...common, silent: true, last_seen: "2026-11-22T12:00:00.000Z", awayMs: 30 * 60_000 },
  ]);
  expect(newsBetween(silent, silent)).toEqual([]);
  expect(newsBetween(silent, back)).toEqual([
    { ...common, silent: false, last_seen, awayMs: 185 * 60_000 },
  ]);
});

test.each([
  ["nobody has asked for", { silent_after: null, ...SILENT }, { silent_after: null }],
  ["an earlier run has told", SILENT, undefined],
])("newsBetween tells no silence that %s", (_, now, before) => {
  const was = before && hub({ nodes: [node("Gate", before)] });
  expect(newsBetween(was, hub({ nodes: [node("Gate", now)] }))).toEqual([]);
});

test("newsBetween tells what is wrong at the start, and when it is well again", () => {
  const ill = hub({
    health: { healthy: false, reasons: ["The disk is full"], notices: [] },
    diskWarning: "The disk will be full in 2 days",
    fullInDays: 2,
  });
  expect(newsBetween(undefined, ill)).toEqual([
    { type: "health", healthy: false, reasons: ["The disk is full"] },
    {
      type: "disk",
      message: "The disk will be full in 2 days",
      freeBytes: 1000,
      fullInDays: 2,
    },
  ]);
  expect(newsBetween(undefined, hub())).toEqual([]);
  expect(newsBetween(ill, hub())).toEqual([
    { type: "health", healthy: true, reasons: [] },
    { type: "disk", message: undefined, freeBytes: 1000, fullInDays: undefined },
  ]);
});
