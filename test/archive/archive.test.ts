import { describe, expect, test } from "bun:test";
import {
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Archive } from "../../src/archive/archive.ts";
import { Folder } from "../../src/os/folder.ts";
import { archiveDays } from "../../src/archive/round.ts";
import { JPEG, nameOf, Place, TODAY } from "../support/archive/days.ts";
import { forEachTest } from "../support/for-each-test.ts";

const DAY = "2021-09-23";

let place: Place;
forEachTest(
  () => new Place(),
  (made) => (place = made),
);

const archive = () => new Archive(place.settings, place.directory);
const local = () => Folder.open(place.directory.dateFolder(DAY));
const fill = async () => await archiveDays(place.settings, place.directory, { today: TODAY });

/** A JPEG of the same size. */
const otherJpeg = (end: string) => Buffer.concat([JPEG.subarray(0, -1), Buffer.from(end)]);

/** The file in the archive that holds the copy of an image. */
const copyOf = (camera: string, second = 0): string =>
  join(
    place.archive,
    place.format === "tree" ? `images/${DAY}/${nameOf(DAY, camera, second)}` : `${DAY}.tar`,
  );

/** Overwrites a byte of a copy. */
function damage(path: string, content: Buffer): void {
  const bytes = readFileSync(path);
  const at = bytes.indexOf(content);
  bytes[at + 1000]! ^= 1;
  writeFileSync(path, bytes);
}

describe.each(["tree", "tar"] as const)("Archive with format %s", (format) => {
  forEachTest(
    () => ({ [Symbol.dispose]: () => undefined }),
    () => (place.format = format),
  );

  test("has what is archived, as it is here", async () => {
    const name = place.image(DAY, "Barn");
    place.image("2021-09-22", "Gate");
    await fill();
    const later = place.image(DAY, "Late");
    expect(archive().look().problem).toBeUndefined();
    expect(archive().look().dates).toEqual(["2021-09-22", DAY]);
    using day = archive().open(DAY);
    using folder = local();
    expect(day?.has(name, folder)).toBe(true);
    expect(day?.has(later, folder)).toBe(false);
    expect(day?.has("../../../etc/passwd", folder)).toBe(false);
    writeFileSync(join(folder.path, name), JPEG.subarray(1));
    expect(day?.has(name, folder)).toBe(false);
    expect(archive().open("2021-09-24")).toBeUndefined();
  });

  test("has nothing that has gone from it since, or was cut off", async () => {
    const name = place.image(DAY, "Barn");
    await fill();
    const path = join(place.archive, format === "tree" ? `images/${DAY}/${name}` : `${DAY}.tar`);
    using day = archive().open(DAY);
    using folder = local();
    const has = () => day?.has(name, folder);
    expect(has()).toBe(true);
    renameSync(path, `${path}.away`);
    expect(has()).toBe(false);
    renameSync(`${path}.away`, path);
    expect(has()).toBe(true);
    copyFileSync(path, `${path}.away`);
    renameSync(`${path}.away`, path);
    // Only an open tar has been looked at.
    expect(has()).toBe(format === "tree");
    using again = archive().open(DAY);
    expect(again?.has(name, folder)).toBe(true);
    truncateSync(path, 1000);
    expect([has(), again?.has(name, folder)]).toEqual([false, false]);
  });

  test("has nothing whose copy is damaged, though its size is right", async () => {
    const [barn, gate] = [place.image(DAY, "Barn"), place.image(DAY, "Gate", 1, otherJpeg("g"))];
    await fill();
    damage(copyOf("Gate", 1), otherJpeg("g"));
    using day = archive().open(DAY);
    using folder = local();
    expect([day?.has(barn, folder), day?.has(gate, folder)]).toEqual([true, false]);
  });

  test("has nothing that was changed here, though its size and time are the old ones", async () => {
    const name = place.image(DAY, "Barn");
    await fill();
    await Bun.sleep(10);
    using folder = local();
    const path = join(folder.path, name);
    writeFileSync(path, otherJpeg("x"));
    utimesSync(path, 1000, 1000);
    using day = archive().open(DAY);
    expect(day?.has(name, folder)).toBe(false);
    // Something came to the day after that.
    place.image(DAY, "Late", 5);
    await fill();
    using later = archive().open(DAY);
    expect(later?.has(name, folder)).toBe(false);
    // Its time alone means nothing.
    writeFileSync(path, JPEG);
    expect(day?.has(name, folder)).toBe(true);
  });

  test("has a log only with the content that it has here", async () => {
    place.log(DAY);
    await fill();
    using logs = Folder.open(place.directory.logs);
    using day = archive().open(DAY);
    expect(day?.hasLog(logs)).toBe(true);
    const path = place.directory.datedLog(20_210_923);
    writeFileSync(path, readFileSync(path, "utf8").replace("Barn", "Gate"));
    utimesSync(path, 1000, 1000);
    expect(day?.hasLog(logs)).toBe(false);
  });

  test("has nothing of a day without a manifest", async () => {
    place.image(DAY, "Barn");
    await fill();
    rmSync(join(place.archive, `manifests/${DAY}.sha256`));
    expect(archive().look().dates).toEqual([]);
    expect(archive().open(DAY)).toBeUndefined();
  });

  test("has nothing of an image that is there but not in the manifest", async () => {
    const name = place.image(DAY, "Barn");
    await fill();
    const other = nameOf(DAY, "Other");
    place.put(join(place.archive, `images/${DAY}/${other}`), JPEG);
    place.image(DAY, "Other");
    using day = archive().open(DAY);
    using folder = local();
    expect([day?.has(name, folder), day?.has(other, folder)]).toEqual([true, false]);
  });

  test("answers nothing for a directory without its mark, or another one at its path", async () => {
    const name = place.image(DAY, "Barn");
    await fill();
    using day = archive().open(DAY);
    using folder = local();
    renameSync(place.archive, `${place.archive}-away`);
    expect(() => day?.has(name, folder)).toThrow("is not there");
    expect(archive().look().problem).toContain("is not there");
    expect(() => archive().open(DAY)).toThrow("is not there");
    renameSync(`${place.archive}-away`, place.archive);
    rmSync(join(place.archive, ".imagehub-archive"));
    expect(archive().look().problem).toContain("is no archive yet");
    expect(() => archive().open(DAY)).toThrow("is no archive yet");
  });

  test("answers nothing for a day that is damaged", async () => {
    place.image(DAY, "Barn");
    await fill();
    writeFileSync(join(place.archive, `manifests/${DAY}.sha256`), "nonsense\n");
    expect(() => archive().open(DAY)).toThrow("is damaged");
  });
});
