import { expect, test } from "bun:test";
import {
  Keys,
  manifestNumber,
  manifestPath,
  partOfDay,
  placeOfSegment,
  summaryPath,
} from "../../src/replicate/layout.ts";

const DAY = "2021-09-23";

test("keys are those of an archive below the hub's name", () => {
  const keys = new Keys("barn");
  expect([
    keys.of(`logs/imagehub.log.${DAY}`),
    keys.imagesOf(DAY),
    keys.segment(DAY, 12_345),
    keys.manifestsOf(DAY),
    keys.owner(1),
    keys.owner(2),
  ]).toEqual([
    `barn/logs/imagehub.log.${DAY}`,
    `barn/images/${DAY}/`,
    `barn/logs/${DAY}/000000012345`,
    `barn/manifests/${DAY}`,
    "barn/hub.json",
    "barn/hub-2.json",
  ]);
});

test.each([
  ["barn/hub.json", 1],
  ["barn/hub-12.json", 12],
  ["barn/hub-1.json", undefined],
  ["barn/hub-02.json", undefined],
  ["barn/hubs.json", undefined],
  ["barn2/hub-2.json", undefined],
])("the number of %s is %p", (key, number) => {
  expect(new Keys("barn").ownerNumber(key)).toBe(number);
});

test.each([1, 2, 17])("manifest %d is found by its path", (number) => {
  expect(manifestNumber(manifestPath(DAY, number), DAY)).toBe(number);
  expect(manifestNumber(manifestPath(DAY, number), "2021-09-24")).toBeUndefined();
});

test.each([`manifests/${DAY}-1.sha256`, `manifests/${DAY}-002.sha256`, `manifests/x.sha256`])(
  "%s is no manifest",
  (path) => {
    expect(manifestNumber(path, DAY)).toBeUndefined();
  },
);

test.each([
  [`barn/logs/${DAY}/000000000000`, 0],
  [`barn/logs/${DAY}/000000012345`, 12_345],
  [`barn/logs/${DAY}/12345`, undefined],
  [`barn/logs/${DAY}/other`, undefined],
])("the place of %s is %p", (key, place) => {
  expect(placeOfSegment(key)).toBe(place);
});

test.each([1, 2, 17])(
  "the day of manifest %d and its summary is found by their paths",
  (number) => {
    for (const path of [manifestPath(DAY, number), summaryPath(DAY, number)])
      expect(partOfDay(path)).toEqual({ date: DAY, number });
  },
);

test.each([
  `days/${DAY}-1.json`,
  `days/${DAY}-02.json`,
  `days/${DAY}.sha256`,
  `manifests/${DAY}.json`,
  "days/2021-02-30.json",
  `images/${DAY}.json`,
])("%s belongs to no day", (path) => {
  expect(partOfDay(path)).toBeUndefined();
});
