import { describe, expect, test } from "bun:test";
import { idOf, level, Topics } from "../../src/tell/mqtt-topics.ts";

/** Names that a sender may give, and that look alike. */
const NAMES = [
  "",
  " ",
  "  ",
  "Barn",
  "barn",
  "Barn Door",
  "Barn-Door",
  "Barn_Door",
  "Barn/Door",
  "Barn%2FDoor",
  "Barn_2FDoor",
  "Barn+",
  "Barn#",
  "+",
  "#",
  "/",
  "%",
  "%25",
  "_",
  "-",
  "$SYS",
  "Barn\u0000",
  "Barn\u0001",
  "Barn\u007F",
  "Barn\u202E",
  "Barn\uFFFE",
  "Barn\uFFFD",
  "Zürich",
  "Zu\u0308rich",
  "納屋",
  "🐔",
  "🐓",
  "x".repeat(160),
  "x".repeat(161),
  "x".repeat(5000),
  `${"x".repeat(5000)}y`,
  "+".repeat(60_000),
  "🐔".repeat(500),
  `${"🐔".repeat(500)}🐓`,
];

describe("level", () => {
  test("makes of each name another level that a broker accepts", () => {
    const levels = NAMES.map(level);
    for (const each of levels) expect(each).toMatch(/^[^+#/\p{C}]{1,200}$/u);
    expect(new Set(levels).size).toBe(NAMES.length);
  });

  test.each([
    ["Barn", "Barn"],
    ["Barn Door", "Barn Door"],
    ["Zürich", "Zürich"],
    ["a/b", "a%2Fb"],
    ["50 %", "50 %25"],
    ["", "%"],
  ])("leaves %j readable", (name, expected) => {
    expect(level(name)).toBe(expected);
  });
});

describe("idOf", () => {
  test("makes of each name another id of Home Assistant's characters", () => {
    const ids = NAMES.map((name) => idOf("imagehub", name));
    for (const id of ids) expect(id).toMatch(/^[a-zA-Z0-9_-]{1,250}$/);
    expect(new Set(ids).size).toBe(NAMES.length);
  });

  test("tells parts from one another", () => {
    const lists = [["a", "b"], ["a-b"], ["a_2Db"], ["a", "b", ""], ["a", "", "b"]];
    expect(new Set(lists.map((parts) => idOf(...parts))).size).toBe(lists.length);
  });
});

test("Topics.of puts the machine's name in", () => {
  const { base } = Topics.of({ topic: "imagehub/<name>", discovery: "homeassistant" });
  expect(base).toMatch(/^imagehub\/[^/<]+$/);
});
