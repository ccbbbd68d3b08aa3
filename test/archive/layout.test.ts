import { describe, expect, test } from "bun:test";
import {
  dateOfManifest,
  imageMember,
  logMember,
  parseMember,
  tarName,
  tarNumber,
} from "../../src/archive/layout.ts";

const DATE = "2021-09-23";
const NAME = "Barn-2021-09-23T10.00.00.000000.jpg";

describe("parseMember", () => {
  test("reads what the hub archives", () => {
    expect(parseMember(`images/${DATE}/${NAME}`, DATE)).toEqual(imageMember(DATE, NAME));
    const broken = NAME.replace("Barn", "Barn\uFFFD");
    expect(parseMember(`images/${DATE}/${broken}`, DATE)).toEqual(imageMember(DATE, broken));
    expect(parseMember(`logs/imagehub.log.${DATE}`, DATE)).toEqual(logMember(DATE));
  });

  test.each([
    `images/2021-09-24/${NAME}`,
    `images/${DATE}/../${NAME}`,
    `images/${DATE}/notes.txt`,
    `images/${DATE}/a/${NAME}`,
    `/images/${DATE}/${NAME}`,
    `images/${DATE}/a\\${NAME}`,
    "logs/imagehub.log.2021-09-24",
    "logs/imagehub.log",
    NAME,
    "",
  ])("takes nothing else: %j", (path) => {
    expect(parseMember(path, DATE)).toBeUndefined();
  });
});

test("tarNumber reads what tarName makes", () => {
  for (const number of [1, 2, 10, 999_999])
    expect(tarNumber(tarName(DATE, number), DATE)).toBe(number);
  for (const name of [`${DATE}-1.tar`, `${DATE}-02.tar`, `${DATE}.tar.sha256`, "2021-09-24.tar"])
    expect(tarNumber(name, DATE)).toBeUndefined();
});

test("dateOfManifest knows manifests", () => {
  expect(dateOfManifest(`${DATE}.sha256`)).toBe(DATE);
  for (const name of [DATE, `${DATE}.tar.sha256`, ".incoming-x", "x.sha256"])
    expect(dateOfManifest(name)).toBeUndefined();
});
