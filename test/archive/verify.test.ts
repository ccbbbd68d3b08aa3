import { describe, expect, test } from "bun:test";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { archiveDays } from "../../src/archive/round.ts";
import { verifyDay } from "../../src/archive/verify.ts";
import { JPEG, nameOf, Place, TODAY } from "../support/archive/days.ts";
import { forEachTest } from "../support/for-each-test.ts";

const DAY = "2021-09-23";
const path = (camera: string): string => `images/${DAY}/${nameOf(DAY, camera)}`;

let place: Place;
forEachTest(
  () => new Place(),
  (made) => (place = made),
);

const verify = async () => await verifyDay(place.settings, place.directory, DAY);
const fill = async () => await archiveDays(place.settings, place.directory, { today: TODAY });

/** Changes one bit of a file. */
function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at]! ^= 1;
  writeFileSync(file, bytes);
}

test("verifyDay finds images that are not whole, and names that are not the hub's", async () => {
  place.image(DAY, "Whole");
  place.image(DAY, "Empty", 0, "");
  place.image(DAY, "Cut", 0, JPEG.subarray(0, 30_000));
  place.image(DAY, "Text", 0, "no picture");
  place.image(DAY, "Padded", 0, Buffer.concat([JPEG, Buffer.alloc(700)]));
  place.put(join(place.directory.dateFolder(DAY), "notes.txt"), "x");
  place.log(DAY);
  expect(await verify()).toEqual({
    date: DAY,
    files: 6,
    bytes: 2 * JPEG.byteLength + 700 + 30_000 + 10 + 38,
    archived: undefined,
    problems: [
      `images/${DAY}/notes.txt is not the hub's`,
      `${path("Cut")} is cut off`,
      `${path("Empty")} is empty`,
      `${path("Text")} is no JPEG`,
    ],
    notes: [],
  });
});

describe.each(["tree", "tar"] as const)("verifyDay with format %s", (format) => {
  forEachTest(
    () => ({ [Symbol.dispose]: () => undefined }),
    () => (place.format = format),
  );
  const archived = (camera: string): string =>
    join(place.archive, format === "tree" ? path(camera) : `${DAY}.tar`);

  test("finds nothing wrong in what was archived", async () => {
    place.image(DAY, "Barn");
    place.log(DAY);
    await fill();
    expect(await verify()).toMatchObject({ files: 2, archived: 2, problems: [] });
    // The archive is verified as well if nothing is left here.
    rmSync(place.directory.dateFolder(DAY), { recursive: true });
    expect(await verify()).toMatchObject({ files: 1, archived: 2, problems: [] });
  });

  test("finds a bit that has changed in the archive", async () => {
    place.image(DAY, "Barn");
    await fill();
    flip(archived("Barn"), 20_000);
    const { problems } = await verify();
    expect(problems[0]).toBe(`${path("Barn")} in the archive is not what its manifest says`);
    expect(problems.slice(1)).toEqual(
      format === "tree" ? [] : [`${DAY}.tar in the archive is not what ${DAY}.tar.sha256 says`],
    );
  });

  test("finds a bit that has changed here", async () => {
    const name = place.image(DAY, "Barn");
    await fill();
    flip(join(place.directory.dateFolder(DAY), name), 20_000);
    expect((await verify()).problems).toEqual([`${path("Barn")} differs from what was archived`]);
  });

  test("finds what is missing or cut off in the archive", async () => {
    place.image(DAY, "Barn");
    await fill();
    truncateSync(archived("Barn"), 20_000);
    const [cut] = (await verify()).problems;
    expect(cut).toMatch(format === "tree" ? /is not what its manifest says$/ : /is cut off/);
    rmSync(archived("Barn"));
    expect((await verify()).problems).toEqual([`${path("Barn")} in the archive is missing`]);
  });

  test("finds a lost manifest: a problem if the archive alone has the day, else a note", async () => {
    place.image(DAY, "Barn");
    place.log(DAY);
    await fill();
    rmSync(join(place.archive, `manifests/${DAY}.sha256`));
    const lost = `manifests/${DAY}.sha256 in the archive is missing`;
    expect(await verify()).toMatchObject({
      archived: undefined,
      problems: [],
      notes: [`${lost}: the day is not archived yet; imagehub archive ${DAY} does that`],
    });
    rmSync(place.directory.dateFolder(DAY), { recursive: true });
    expect(await verify()).toMatchObject({
      problems: [
        `${lost}, and 1 file of the day can be found only there: see "A damaged archive" in docs/OPERATION.md`,
      ],
      notes: [],
    });
  });

  test("finds a damaged manifest, and looks at the rest", async () => {
    place.image(DAY, "Barn", 0, "");
    await fill();
    truncateSync(join(place.archive, `manifests/${DAY}.sha256`), 10);
    const { problems } = await verify();
    expect(problems).toEqual([expect.stringContaining("is damaged"), `${path("Barn")} is empty`]);
  });
});

test("verifyDay finds a tar whose checksum is missing", async () => {
  place.format = "tar";
  place.image(DAY, "Barn");
  await fill();
  rmSync(join(place.archive, `${DAY}.tar.sha256`));
  expect((await verify()).problems).toEqual([`${DAY}.tar.sha256 in the archive is missing`]);
});

test("verifyDay has a note, and no problem, of a damaged tar whose files are good in another", async () => {
  place.format = "tar";
  place.image(DAY, "Barn");
  place.image(DAY, "Gate", 1);
  await fill();
  flip(join(place.archive, `${DAY}.tar`), 20_000);
  expect((await verify()).problems).toHaveLength(2);
  await archiveDays(place.settings, place.directory, { today: TODAY, dates: [DAY] });
  const note = `${DAY}.tar in the archive is not what ${DAY}.tar.sha256 says, but the archive has a good copy of each file of ${DAY}`;
  expect(await verify()).toMatchObject({ problems: [], notes: [note] });
  // Now the good copy is not good either.
  flip(join(place.archive, `${DAY}-2.tar`), 20_000);
  expect(await verify()).toMatchObject({
    problems: [
      expect.stringContaining("is not what its manifest says"),
      expect.stringContaining(`${DAY}.tar `),
      expect.stringContaining(`${DAY}-2.tar `),
    ],
    notes: [],
  });
});

test("verifyDay needs no archive", async () => {
  place.image(DAY, "Barn");
  place.archive = "";
  expect(await verify()).toMatchObject({ files: 1, archived: undefined, problems: [] });
});
