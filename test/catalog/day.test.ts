import { describe, expect, test } from "bun:test";
import { Day } from "../../src/catalog/day.ts";

const DATE = "2021-09-23";

const day = (...names: string[]): Day =>
  new Day(DATE, (take) => {
    for (const name of names) {
      const bytes = Buffer.from(name);
      take(bytes, 0, bytes.length);
    }
  });

const namesOf = (read: Day): string[] =>
  Array.from({ length: read.count }, (_, index) => read.at(index).name);

describe("Day", () => {
  test("gives images in the order of their times, whatever that of their names", () => {
    const read = day(
      "Zoo-2021-09-23T00.00.00.000001.jpg",
      "Barn-Door-2021-09-23T23.59.59.999999.png",
      "Barn-2021-09-23T12.30.00.500000.jpg",
      "Barn-Door-2021-09-23T12.30.00.500000.jpg",
    );
    expect(namesOf(read)).toEqual([
      "Zoo-2021-09-23T00.00.00.000001.jpg",
      "Barn-2021-09-23T12.30.00.500000.jpg",
      "Barn-Door-2021-09-23T12.30.00.500000.jpg",
      "Barn-Door-2021-09-23T23.59.59.999999.png",
    ]);
    expect(read.cameras).toEqual(["Barn", "Barn-Door", "Zoo"]);
    expect(read.at(1)).toEqual({
      camera: "Barn",
      micros: 45_000_500_000,
      name: "Barn-2021-09-23T12.30.00.500000.jpg",
    });
    expect(read.cameraAt(3)).toBe(1);
  });

  test("knows the Python hub's names, which leave out a fraction of zero", () => {
    const names = ["Barn-2021-09-23T07.16.03.jpg", "Barn-2021-09-23T07.16.03.000001.jpg"];
    expect(namesOf(day(...names.toReversed()))).toEqual(names);
  });

  test("takes a camera's name for what stands before the last date", () => {
    const name = "T-2021-09-23T01.02.03-2021-09-23T04.05.06.000007.jpg";
    expect(day(name).at(0)).toMatchObject({ camera: "T-2021-09-23T01.02.03", name });
  });

  test.each([
    "Barn-2021-09-24T07.16.03.793690.jpg",
    "2021-09-23T07.16.03.793690.jpg",
    "-2021-09-23T07.16.03.793690.jpg",
    ".Barn-2021-09-23T07.16.03.793690.jpg",
    ".incoming-12-3-4",
    "Barn-2021-09-23T24.00.00.000000.jpg",
    "Barn-2021-09-23T07.60.03.793690.jpg",
    "Barn-2021-09-23T07.16.03.79369.jpg",
    "Barn-2021-09-23T07.16.03.793690.JPG",
    "Barn-2021-09-23T07.16.03.793690.jpg.bak",
    "Barn-2021-09-23T07.16.03.793690.gif",
    "notes.txt",
    "",
  ])("leaves out %j", (name) => {
    const known = "Barn-2021-09-23T07.16.03.793690.jpg";
    expect(namesOf(day(name, known))).toEqual([known]);
  });

  test("has images of one time in the order of their cameras, and then as they were found", () => {
    const [first, c, aPng, b, a] = [
      "Z-2021-09-23T00.59.59.jpg",
      "C-2021-09-23T01.00.00.000000.jpg",
      "A-2021-09-23T01.00.00.000000.png",
      "B-2021-09-23T01.00.00.000000.jpg",
      "A-2021-09-23T01.00.00.000000.jpg",
    ];
    expect(namesOf(day(first, c, aPng, b, a))).toEqual([first, aPng, a, b, c]);
  });

  test("finds the first image at or after a time", () => {
    const read = day(
      "A-2021-09-23T01.00.00.000000.jpg",
      "B-2021-09-23T02.00.00.000000.jpg",
      "C-2021-09-23T02.00.00.000000.jpg",
    );
    const hour = 3_600_000_000;
    expect([0, hour, hour + 1, 2 * hour, 2 * hour + 1].map((time) => read.find(time))).toEqual([
      0, 0, 1, 1, 3,
    ]);
    expect(day().find(0)).toBe(0);
  });

  test("keeps 70,000 cameras apart", () => {
    const names = Array.from(
      { length: 70_000 },
      (_, index) => `Camera-${index}-2021-09-23T01.00.00.000000.jpg`,
    );
    const read = day(...names);
    expect(namesOf(read).toSorted()).toEqual(names.toSorted());
  });
});
