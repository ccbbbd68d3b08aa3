import { expect, test } from "bun:test";
import { dateInName, selectionsOf } from "../../src/keep/selection.ts";

const NAME = "Barn-2021-09-23T10.00.01.000000.jpg";

test.each([
  [NAME, "2021-09-23"],
  ["A-2020-01-01T00.00.00.jpg-2021-09-23T10.00.01.jpg", "2021-09-23"],
  ["Barn-2021-09-23T10.00.01.png", "2021-09-23"],
  ["Barn\n-2021-09-23T10.00.01.png", undefined],
  ["Copy of Barn-2021-09-23T10.00.01.png", undefined],
  ["Barn-2021-09-23T10.00.61.jpg", undefined],
  [".Barn-2021-09-23T10.00.01.jpg", undefined],
  ["Barn-2021-09-23T10.00.01.gif", undefined],
  ["a/-2021-09-23T10.00.01.jpg", undefined],
  ["../Barn-2021-09-23T10.00.01.jpg", undefined],
  ["2021-09-23", undefined],
])("dateInName finds in %j %j", (name, date) => {
  expect(dateInName(name)).toBe(date);
});

test("selectionsOf groups days and names", () => {
  const other = "Gate-2021-09-22T10.00.01.jpg";
  expect(selectionsOf([NAME, "2021-09-23", other, NAME])).toEqual([
    { date: "2021-09-22", isWhole: false, names: new Set([other]) },
    { date: "2021-09-23", isWhole: true, names: new Set([NAME]) },
  ]);
  expect(selectionsOf(["2021-09-23", "yesterday"])).toBe("yesterday");
});
