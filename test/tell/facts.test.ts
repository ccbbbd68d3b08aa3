import { expect, test } from "bun:test";
import { FACT_NAMES, type Facts, factsOf, testFacts } from "../../src/tell/facts.ts";
import type { News } from "../../src/tell/news.ts";

const NOW = { date: "2018-12-30", day: 20181230, hour: "13", minute: "45", second: "07" };
const NOW_MS = Date.UTC(2018, 11, 30, 13, 45, 7);
const HERE = { hub: "data1", date: "2018-12-30", time: "13:45:07" };

const silent = (isSilent: boolean, seen: number, minutes: number): News => ({
  type: "silent",
  node: "Gate",
  silent: isSilent,
  last_seen: new Date(NOW_MS - seen * 60_000).toISOString(),
  awayMs: minutes * 60_000,
});

const table: [name: string, news: News, facts: Facts][] = [
  [
    "an image, with the time in its name",
    {
      type: "image",
      date: "2018-12-29",
      name: "Barn-Door-2018-12-29T23.13.31.620992.jpg",
      camera: "Barn-Door",
      micros: ((23 * 60 + 13) * 60 + 31) * 1_000_000 + 620_992,
    },
    {
      ...HERE,
      type: "image",
      date: "2018-12-29",
      time: "23:13:31",
      message: "New image of Barn-Door",
      camera: "Barn-Door",
      image: "Barn-Door-2018-12-29T23.13.31.620992.jpg",
    },
  ],
  [
    "an event, with its own time",
    { type: "event", at: "2018-12-30 13:45:06,123", text: "Garage|Temp|76 F", isHub: false },
    {
      ...HERE,
      type: "event",
      time: "13:45:06",
      message: "Garage: Temp 76 F",
      camera: "Garage",
      text: "Garage|Temp|76 F",
    },
  ],
  [
    "a line of the hub itself",
    { type: "event", at: "2018-12-30 13:45:06,123", text: "Nothing to see", isHub: true },
    {
      ...HERE,
      type: "event",
      time: "13:45:06",
      message: "Nothing to see",
      camera: undefined,
      text: "Nothing to see",
    },
  ],
  [
    "a node that is silent",
    silent(true, 30, 30),
    {
      ...HERE,
      type: "silent",
      message: "Gate has been silent for 30 min",
      camera: "Gate",
      ok: false,
      last_seen: "2018-12-30T13:15:07.000Z",
    },
  ],
  [
    "a node that is back",
    silent(false, 0, 185),
    {
      ...HERE,
      type: "silent",
      message: "Gate is back after 3 h 5 min",
      camera: "Gate",
      ok: true,
      last_seen: "2018-12-30T13:45:07.000Z",
    },
  ],
  [
    "a disk that fills",
    {
      type: "disk",
      message: "The disk will be full in 2 days at this week's rate",
      freeBytes: 5,
      fullInDays: 2.1,
    },
    {
      ...HERE,
      type: "disk",
      message: "The disk will be full in 2 days at this week's rate",
      ok: false,
      free_bytes: 5,
      full_in_days: 2.1,
    },
  ],
  [
    "a disk that does not",
    { type: "disk", message: undefined, freeBytes: 5, fullInDays: undefined },
    {
      ...HERE,
      type: "disk",
      message: "The disk will not be full soon any more",
      ok: true,
      free_bytes: 5,
      full_in_days: undefined,
    },
  ],
  [
    "a hub that is ill",
    { type: "health", healthy: false, reasons: ["No space", "No clock"] },
    {
      ...HERE,
      type: "health",
      message: "The hub is not healthy: No space; No clock",
      ok: false,
      reasons: ["No space", "No clock"],
    },
  ],
  [
    "a hub that is well",
    { type: "health", healthy: true, reasons: [] },
    { ...HERE, type: "health", message: "The hub is healthy again", ok: true, reasons: [] },
  ],
  [
    "a hub that starts",
    { type: "start", version: "1.2.3" },
    { ...HERE, type: "start", message: "The hub has started: imagehub 1.2.3", version: "1.2.3" },
  ],
];

test.each(table)("factsOf tells of %s", (_, news, facts) => {
  expect(factsOf(news, "data1", NOW)).toEqual(facts);
});

test("testFacts says that it is a test", () => {
  const message = "This is a test of imagehub on data1";
  expect(testFacts("data1", NOW)).toEqual({ ...HERE, type: "test", message });
});

test("FACT_NAMES has the name of each fact", () => {
  const used = new Set(table.flatMap(([, , facts]) => Object.keys(facts)));
  expect([...used].toSorted()).toEqual([...FACT_NAMES].toSorted());
});
