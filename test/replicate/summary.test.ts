import { expect, test } from "bun:test";
import { countEvents, countImages, parseSummary } from "../../src/replicate/summary.ts";

const DAY = "2021-09-23";

const name = (camera: string, time: string): string => `${camera}-${DAY}T${time}.jpg`;

test("a day is counted by its cameras, whatever the order of its images is", () => {
  const images = [
    [name("Gate", "10.00.00.000001"), 10],
    [name("Barn", "09.00.00.000000"), 1],
    ["notes.txt", 1000],
    // Such a name comes behind others of its second, but it is the first of it.
    [name("Barn", "08.00.00"), 2],
    [name("Barn", "08.00.00.000001"), 3],
  ] as const;
  const day = countImages(DAY, images, 7, "Europe/Berlin");
  expect(day).toMatchObject({ date: DAY, images: 4, bytes: 16, events: 7 });
  expect(day.cameras).toEqual([
    {
      name: "Barn",
      images: 3,
      bytes: 6,
      first: name("Barn", "08.00.00"),
      last: name("Barn", "09.00.00.000000"),
    },
    {
      name: "Gate",
      images: 1,
      bytes: 10,
      first: name("Gate", "10.00.00.000001"),
      last: name("Gate", "10.00.00.000001"),
    },
  ]);
  expect(parseSummary(JSON.stringify(day), DAY)).toEqual(day);
  expect(parseSummary(JSON.stringify(day), "2021-09-24")).toBeUndefined();
});

test.each(["", "{}", "null", '{"version":2}', `{"version":1,"date":"${DAY}"}`])(
  "%p is no summary",
  (text) => {
    expect(parseSummary(text, DAY)).toBeUndefined();
  },
);

test("only lines of that day from cameras are events", () => {
  const lines = [
    `${DAY} 08:00:00,000 ~ Starting imagehub`,
    `${DAY} 08:00:01,000 ~ Gate|door|open`,
    `${DAY} 08:00:02,000 ~ Gate|door|a|b`,
    "2021-09-24 08:00:01,000 ~ Gate|door|open",
    `${DAY} | no record`,
  ];
  expect(countEvents(`${lines.join("\n")}\n`, DAY)).toBe(2);
});
