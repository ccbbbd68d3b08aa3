import { expect, test } from "bun:test";
import { namesOfNode, nodeIn, titleOf } from "../../src/protocol/nodes.ts";

test.each([
  ["Barn Door", [], "Barn Door"],
  ["Barn Door", ["Barn"], "Barn"],
  ["Barn Side Door", ["Barn", "Barn Side"], "Barn Side"],
  ["Barnyard", ["Barn"], "Barnyard"],
  ["", ["Barn"], ""],
  ["Barn", ["Barn"], "Barn"],
])("nodeIn finds the node of %j among %j", (name, known, node) => {
  expect(nodeIn(name, new Set(known))).toBe(node);
});

test("nodeIn looks for no node in a name that is no name, as a stranger may send", () => {
  const name = `Barn ${"x ".repeat(30_000)}`;
  expect(nodeIn(name, { has: () => expect.unreachable() })).toBe(name);
  expect(nodeIn(`Barn ${"x ".repeat(120)}`, new Set(["Barn"]))).toBe("Barn");
});

test("namesOfNode has a node and its views, and not those of a node with a longer name", () => {
  const names = ["Barn", "Barn Door", "Barn Side", "Barn Side Door", "Barnyard", ""];
  expect(namesOfNode("Barn", names)).toEqual(["Barn", "Barn Door", "Barn Side"]);
  expect(namesOfNode("Barn Side", names)).toEqual(["Barn Side Door"]);
  expect(namesOfNode("", names)).toEqual([""]);
  expect(namesOfNode("Gate", names)).toEqual([]);
});

test("titleOf is not too long for a line, and not empty", () => {
  expect(titleOf("Barn")).toBe("Barn");
  expect(titleOf("")).toBe("A node without a name");
  expect(Buffer.byteLength(titleOf("ü".repeat(5000)))).toBe(200);
});
