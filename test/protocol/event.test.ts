import { expect, test } from "bun:test";
import { eventParts } from "../../src/protocol/event.ts";

test.each([
  ["76 F", 76, "F"],
  ["-3.5C", -3.5, "C"],
  ["41.0 %", 41, "%"],
  ["21 °C ", 21, "°C"],
  ["12 µg/m³", 12, "µg/m³"],
  ["12 m3", 12, "m3"],
  ["4.7 Ω", 4.7, "Ω"],
  ["3 moving objects", 3, "moving objects"],
  [" 7 ", 7, ""],
  ["2026", 2026, ""],
])("the value %p is a number with a unit", (value, number, unit) => {
  expect(eventParts(`Barn|x|${value}`)).toEqual({
    node: "Barn",
    type: "x",
    value: value.trim(),
    number,
    unit,
  });
});

test.each([
  ["21,5 C"],
  ["1,234"],
  ["192.168.86.41"],
  ["2026-11-29"],
  ["12:30:05"],
  ["007-ABC plate"],
  ["1/2"],
  ["1e5"],
  ["76 (F)"],
  ["7 8"],
  ["moving"],
  [""],
  [`7 ${"x".repeat(17)}`],
])("the value %p is a text", (value) => {
  expect(eventParts(`Barn|x|${value}`)).toEqual({ node: "Barn", type: "x", value });
});

test("a line of the hub itself has no parts, and a value may have | in it", () => {
  expect(eventParts("Gate is back after 2 h.")).toBeUndefined();
  expect(eventParts(" Barn | x |a|b")).toEqual({ node: "Barn", type: "x", value: "a|b" });
});
