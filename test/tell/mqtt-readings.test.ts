import { expect, test } from "bun:test";
import { readingOf } from "../../src/tell/mqtt-readings.ts";

const time = "2026-11-29 12:00:00,000";

test.each([
  ["Barn|Temp|76 F", { node: "Barn", type: "Temp", value: 76, unit: "F" }],
  ["Barn|humidity|41.0 %", { node: "Barn", type: "humidity", value: 41, unit: "%" }],
  ["Well|level|-3", { node: "Well", type: "level", value: -3, unit: "" }],
  ["Barn Door|motion|moving", { node: "Barn Door", type: "motion", value: "moving", unit: "" }],
  ["Barn Door|motion|still", { node: "Barn Door", type: "motion", value: "still", unit: "" }],
  ["Barn|light|dark", { node: "Barn", type: "light", value: "dark", unit: "" }],
])("readingOf reads %s", (text, expected) => {
  expect(readingOf({ at: time, text, isHub: false })).toEqual({ ...expected, time });
});

test.each([
  "Barn|Heartbeat",
  "Barn|cow|seen",
  "Starting imagehub 0.1.0",
  `Barn|x|${"9".repeat(400)}`,
])("readingOf takes %s for no reading", (text) => {
  expect(readingOf({ at: time, text, isHub: false })).toBeUndefined();
});
