import { expect, test } from "bun:test";
import { firstOf } from "../../src/log/amounts.ts";

test.each([
  [2, undefined, ["0", "1"]],
  [5, undefined, ["0", "1", "2", "3", "4"]],
  [7, undefined, ["0", "1", "2", "3", "4", "and 2 more like these"]],
  [1203, 2, ["0", "1", "and 1,201 more like these"]],
])("firstOf shows some of %d lines, and says how many more there are", (count, most, shown) => {
  expect(
    firstOf(
      Array.from({ length: count }, (_, index) => String(index)),
      most,
    ),
  ).toEqual(shown);
});
