import { expect, test } from "bun:test";
import { isHubName, joined, split } from "../../src/fleet/name.ts";

test.each(["Barn", "Barn Door", "a:b", ":", ""])("a hub and %p are one word, and two", (name) => {
  expect(split(joined("north-1.farm", name))).toEqual({ hub: "north-1.farm", name });
});

test.each(["Barn", ":Barn", ".:Barn", "a b:c", "<name>:x"])("%p has no hub", (name) => {
  expect(split(name)).toBeUndefined();
});

test("the folder of a hub has no characters that a setting refuses", () => {
  expect(["north", "a.b", ".hidden", "a/b", ""].map(isHubName)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
