import { describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { Journal, journalPath, keepJournalsOf, readJournal } from "../../src/replicate/journal.ts";
import { Place } from "../support/archive/days.ts";

const DAY = "2021-09-23";
const pathOf = (second: number): string => `images/${DAY}/Barn-${DAY}T10.00.0${second}.000000.jpg`;
const SUM = "0123456789abcdef".repeat(4);

/** What the journal says; undefined if there is none that counts. */
function read({ directory }: Place): string[] | undefined {
  const paths: string[] = [];
  const isGood = readJournal(directory, DAY, (path, sum) => {
    expect(sum).toBe(SUM);
    paths.push(path);
  });
  return isGood ? paths : undefined;
}

function note({ directory }: Place, ...seconds: number[]): void {
  const journal = new Journal(directory, DAY);
  for (const second of seconds) {
    journal.note(pathOf(second), SUM);
    journal.flush();
  }
}

describe("a journal", () => {
  test("says what was noted, over restarts, in the form of a manifest", () => {
    using place = new Place();
    expect(read(place)).toBeUndefined();
    note(place, 1, 2);
    note(place, 3);
    expect(read(place)).toEqual([1, 2, 3].map(pathOf));
    const text = readFileSync(journalPath(place.directory, DAY), "utf8");
    expect(text).toBe([1, 2, 3].map((second) => `${SUM}  ${pathOf(second)}\n`).join(""));
  });

  test("is kept for the bucket that it is of, and for no other one", () => {
    using place = new Place();
    note(place, 1);
    expect(keepJournalsOf(place.directory, "one")).toBe(false);
    expect(read(place)).toBeUndefined();
    note(place, 2);
    expect(keepJournalsOf(place.directory, "one")).toBe(true);
    expect(read(place)).toEqual([pathOf(2)]);
    expect(keepJournalsOf(place.directory, "another")).toBe(false);
    expect(read(place)).toBeUndefined();
  });

  test.each([1, 30, 70, 100])(
    "ignores a last line that is cut by %d bytes, and goes on",
    (bytes) => {
      using place = new Place();
      note(place, 1, 2);
      const path = journalPath(place.directory, DAY);
      truncateSync(path, readFileSync(path).length - bytes);
      expect(read(place)).toEqual([pathOf(1)]);
      note(place, 3);
      expect(read(place)).toEqual([1, 3].map(pathOf));
    },
  );

  test.each([
    ["zeros", `${"\0".repeat(20)}\n`],
    ["a sum that is short", `${SUM.slice(1)}  ${pathOf(2)}\n`],
    ["an image of another day", `${SUM}  ${pathOf(2).replaceAll("09-23", "09-24")}\n`],
    ["a path that leads away", `${SUM}  images/${DAY}/../../../etc/passwd\n`],
    ["two lines in one", `${SUM}  images/${DAY}/Barn${SUM}  ${pathOf(2)}\n`],
  ])("is removed if it has %s", (_, line) => {
    using place = new Place();
    note(place, 1);
    const path = journalPath(place.directory, DAY);
    appendFileSync(path, line);
    appendFileSync(path, `${SUM}  ${pathOf(3)}\n`);
    expect(read(place)).toBeUndefined();
    expect(existsSync(path)).toBe(false);
  });

  test("takes manifests of its day in, and no others", () => {
    using place = new Place();
    const journal = new Journal(place.directory, DAY);
    const paths = [
      `manifests/${DAY}.sha256`,
      `manifests/${DAY}-2.sha256`,
      `logs/imagehub.log.${DAY}`,
    ];
    for (const path of paths) journal.note(path, SUM);
    journal.flush();
    expect(read(place)).toEqual(paths);
    for (const path of [`manifests/${DAY}-1.sha256`, `manifests/${DAY}-02.sha256`]) {
      writeFileSync(journalPath(place.directory, DAY), `${SUM}  ${path}\n`);
      expect(read(place)).toBeUndefined();
    }
  });
});
