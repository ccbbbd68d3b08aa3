import { expect, test } from "bun:test";
import { defaultSettings } from "../../src/config/schema.ts";
import { patternOf, Rules } from "../../src/keep/rules.ts";

test("the first entry that matches a camera counts", () => {
  const rules = new Rules({
    ...defaultSettings().keep,
    cameras: [
      { match: "Barn", max_bytes: "1 GB" },
      { match: "B*", days: 7, max_bytes: 0 },
    ],
  });
  expect(rules.limitsOf("Barn")).toMatchObject({ days: undefined, maxBytes: 1e9 });
  expect(rules.limitsOf("Barn-Door")).toMatchObject({ days: 7, maxBytes: 0 });
  expect(rules.limitsOf("Gate")).toEqual({ days: undefined, maxBytes: 0 });
});

test.each([
  ["Barn", "Barn", true],
  ["Barn", "Barn-Door", false],
  ["Barn*", "Barn-Door", true],
  ["*Door", "Barn-Door", true],
  ["B*n*r", "Barn-Door", true],
  ["*", "日本", true],
  ["Ba.n", "Barn", false],
  ["a(b", "a(b", true],
  ["barn", "Barn", false],
  ["Barn Door", "Barn-Door", true],
  ["Ba*", "Ba\nrn", true],
])("a pattern such as %j matches %j: %p", (pattern, camera, isMatch) => {
  expect(patternOf(pattern).test(camera)).toBe(isMatch);
});
