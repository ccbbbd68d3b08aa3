import { describe, expect, test } from "bun:test";
import { cut, escape, fieldsText, flatten } from "../../src/log/fields.ts";

test.each([
  ["a line break", "a\r\nb", "a\\r\\nb"],
  ["what drives a terminal", "\u001B[31m\u009B1m", "\\u001b[31m\\u009b1m"],
  ["what turns the direction around", "\u202Ea", "\\u202ea"],
  ["half a character", "\uD800", "\\ud800"],
  ["other text", 'Küche "東京" \\ 🐄', 'Küche "東京" \\ 🐄'],
])("escape has one line of %s", (_, text, escaped) => {
  expect(escape(text)).toBe(escaped);
});

test("cut ends what is too long in an ellipsis", () => {
  expect(cut("x".repeat(4096))).toBe("x".repeat(4096));
  expect(cut("x".repeat(4097))).toBe(`${"x".repeat(4096)}…`);
});

describe("flatten", () => {
  test("has names with dots, and leaves out what is not set", () => {
    const fields = { peer: { host: "::1", port: { number: 5 } }, unset: undefined, none: null };
    expect(flatten(fields)).toEqual([
      ["peer.host", "::1"],
      ["peer.port.number", 5],
      ["none", null],
    ]);
  });

  test.each<[what: string, value: unknown, written: unknown]>([
    ["an error and what caused it", new Error("a", { cause: new Error("b") }), "a: b"],
    ["a list", [1, "b", null], "1,b,"],
    ["a date", new Date(0), "1970-01-01T00:00:00.000Z"],
    ["no date", new Date(Number.NaN), "Invalid Date"],
    ["no number", Number.NaN, "NaN"],
    ["bytes", new Uint8Array(3), "<3 bytes>"],
    ["a function", () => 1, "<function>"],
    ["a large integer", 2n ** 64n, "18446744073709551616"],
  ])("makes one field of %s", (_, value, written) => {
    expect(flatten({ value })).toEqual([["value", written as string]]);
  });

  test("is bounded in depth and number", () => {
    const round: Record<string, unknown> = {};
    round["r"] = round;
    expect(flatten(round)).toEqual([["r.r.r.r.r", "…"]]);
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`f${index}`, index]),
    );
    expect(flatten(many)).toHaveLength(64);
    expect(flatten({ a: many, b: many })).toHaveLength(64);
  });
});

test("fieldsText quotes a value that would else not end where it ends", () => {
  const fields = {
    plain: "a-b",
    empty: "",
    blank: "a b",
    equals: "a=b",
    quote: 'a"b',
    line: "a\nb",
  };
  expect(fieldsText(fields)).toBe(
    String.raw`plain=a-b empty="" blank="a b" equals="a=b" quote="a\"b" line="a\nb"`,
  );
});
