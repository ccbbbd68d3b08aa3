import { describe, expect, test } from "bun:test";
import { renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Archive } from "../../src/archive/archive.ts";
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
const fill = async () => await archiveDays(place.settings, place.directory, { today: TODAY });

describe.each(["tree", "tar"] as const)("Archive with format %s", (format) => {
  forEachTest(
    () => ({ [Symbol.dispose]: () => undefined }),
    () => (place.format = format),
  );

  test("has what is archived, with its size", async () => {
    const name = place.image(DAY, "Barn");
    place.image("2021-09-22", "Gate");
    await fill();
    const later = place.image(DAY, "Late");
    expect(archive().problem()).toBeUndefined();
    expect(archive().days()).toEqual(["2021-09-22", DAY]);
    using day = archive().open(DAY);
    expect(day?.has(name, JPEG.byteLength)).toBe(true);
    expect(day?.has(name, JPEG.byteLength - 1)).toBe(false);
    expect(day?.has(later, JPEG.byteLength)).toBe(false);
    expect(day?.has("../../../etc/passwd", 1)).toBe(false);
    expect(archive().open("2021-09-24")).toBeUndefined();
  });

  test("has nothing that has gone from it since, or was cut off", async () => {
    const name = place.image(DAY, "Barn");
    await fill();
    const path = join(place.archive, format === "tree" ? `images/${DAY}/${name}` : `${DAY}.tar`);
    using day = archive().open(DAY);
    const has = () => day?.has(name, JPEG.byteLength);
    expect(has()).toBe(true);
    renameSync(path, `${path}.away`);
    expect(has()).toBe(false);
    renameSync(`${path}.away`, path);
    expect(has()).toBe(true);
    truncateSync(path, 1000);
    expect(has()).toBe(false);
  });

  test("has nothing of a day without a manifest", async () => {
    place.image(DAY, "Barn");
    await fill();
    rmSync(join(place.archive, `manifests/${DAY}.sha256`));
    expect(archive().days()).toEqual([]);
    expect(archive().open(DAY)).toBeUndefined();
  });

  test("has nothing of an image that is there but not in the manifest", async () => {
    const name = place.image(DAY, "Barn");
    await fill();
    const other = nameOf(DAY, "Other");
    place.put(join(place.archive, `images/${DAY}/${other}`), JPEG);
    using day = archive().open(DAY);
    expect([day?.has(name, JPEG.byteLength), day?.has(other, JPEG.byteLength)]).toEqual([
      true,
      false,
    ]);
  });

  test("answers nothing for a directory without its mark, or another one at its path", async () => {
    const name = place.image(DAY, "Barn");
    await fill();
    using day = archive().open(DAY);
    renameSync(place.archive, `${place.archive}-away`);
    expect(() => day?.has(name, JPEG.byteLength)).toThrow("is not there");
    expect(archive().problem()).toContain("is not there");
    expect(() => archive().open(DAY)).toThrow("is not there");
    renameSync(`${place.archive}-away`, place.archive);
    rmSync(join(place.archive, ".imagehub-archive"));
    expect(archive().problem()).toContain("is no archive yet");
    expect(() => archive().open(DAY)).toThrow("is no archive yet");
  });

  test("answers nothing for a day that is damaged", async () => {
    place.image(DAY, "Barn");
    await fill();
    writeFileSync(join(place.archive, `manifests/${DAY}.sha256`), "nonsense\n");
    expect(() => archive().open(DAY)).toThrow("is damaged");
  });
});
