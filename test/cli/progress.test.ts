import { expect, test } from "bun:test";
import { bar } from "../../src/cli/progress.ts";

test.each([
  [0, 10, 0],
  [5, 10, 10],
  [9, 10, 18],
  [10, 10, 20],
  [11, 10, 20],
  [0, 0, 0],
])("bar shows %d of %d as %d of 20 parts", (done, total, parts) => {
  expect(bar(done, total)).toBe(`[${"#".repeat(parts)}${" ".repeat(20 - parts)}]`);
});
