import { afterEach, beforeEach, describe, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import {
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "../../scripts/lib/available.ts";
import { defaultSettings } from "../../src/config/schema.ts";
import { daysAfter } from "../../src/protocol/calendar.ts";
import type { DataDirectory } from "../../src/store/data-directory.ts";
import { Site } from "../../src/view/site.ts";
import { Tree } from "../../src/view/tree.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { addImage, dataDirectory } from "../support/store/days.ts";

// Only so that nothing hangs for ever: a Python takes seconds to start on a busy machine.
setDefaultTimeout(60_000);

const DAY = "2021-09-24";
const PICTURE = readFileSync(join(CHECKOUT, "test/fixtures/Barn-2021-04-19T23.43.20.867255.jpg"));

let temp: TempDir;
let directory: DataDirectory;
let site: Site;
let tree: Tree;

beforeEach(() => {
  temp = tempDir();
  directory = dataDirectory(join(temp.path, "data"));
  tree = new Tree(
    { ...defaultSettings(), data_directory: directory.path },
    {
      warn: (text) => {
        throw new Error(text);
      },
    },
  );
  site = new Site(tree);
});

afterEach(() => temp[Symbol.dispose]());

interface Asked {
  readonly status: number;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  /** What the answer says of it beforehand. */
  readonly length: number | undefined;
  /** The body as JSON. */
  readonly json: unknown;
}

async function ask(
  target: string,
  {
    method = "GET",
    headers = {},
    body = "",
  }: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  } = {},
): Promise<Asked> {
  const [path = "", query = ""] = target.split("?");
  const answer = await site.answer({
    method,
    path,
    query: new URLSearchParams(query),
    headers: new Map(Object.entries(headers)),
    body: Buffer.from(body),
    gone: new AbortController().signal,
  });
  const parts: Uint8Array[] = [];
  if (answer.body instanceof Uint8Array) parts.push(answer.body);
  else for await (const part of answer.body) parts.push(part);
  const bytes = Buffer.concat(parts);
  const { status, type, length } = answer;
  const json: unknown = type === "application/json" ? JSON.parse(bytes.toString()) : undefined;
  return { status, type, headers: answer.headers ?? {}, bytes, length, json };
}

const api = (target: string): string => `/api/v1/${target}`;

const place = async (query: string) => (await ask(api(`days/${DAY}/images?limit=0&${query}`))).json;

const times = (json: unknown): string[] =>
  (json as { events: { time: string }[] }).events.map(({ time }) => time.slice(0, 2));

const list = (zip: Buffer): string => {
  writeFileSync(join(temp.path, "images.zip"), zip);
  return Bun.spawnSync(["python3", "-m", "zipfile", "-l", "images.zip"], {
    cwd: temp.path,
  }).stdout.toString();
};

const shown = async (): Promise<unknown> =>
  ((await ask(api(`days/${DAY}/images?limit=1`))).json as { images: unknown[] }).images[0];

/** Six images of two cameras. */
function fill(): string[] {
  return ["00:00:01", "10:00", "10:00:30", "10:01", "23:59:59", "12:00"].map((time, index) =>
    addImage(directory, DAY, time, index % 2 === 0 ? "Barn-Door" : "Gate"),
  );
}

/** An image with the content of a picture. */
function addPicture(time: string, camera = "Barn", date = DAY): string {
  const name = addImage(directory, date, time, camera);
  writeFileSync(`${directory.dateFolder(date)}/${name}`, PICTURE);
  return name;
}

describe("days", () => {
  test("are none in an empty data directory", async () => {
    const { status, json } = await ask(api("days"));
    expect(status).toBe(200);
    expect(json).toMatchObject({ days: [], today: tree.today });
  });

  test("have their images, events and cameras", async () => {
    fill();
    writeFileSync(directory.datedLog(20210924), `${DAY} 08:00:00,001 ~ Barn|Temp|7\n`);
    expect((await ask(api("days"))).json).toMatchObject({
      days: [
        {
          date: DAY,
          images: 6,
          bytes: 6000,
          events: 1,
          protected: 0,
          archived: null,
          cameras: [
            { name: "Barn-Door", images: 3 },
            { name: "Gate", images: 3 },
          ],
        },
      ],
    });
  });
});

describe("a day", () => {
  test("has the images of each camera by minute, and the events", async () => {
    fill();
    writeFileSync(directory.datedLog(20210924), `${DAY} 08:00:00,001 ~ Barn|Temp|7\n`);
    expect((await ask(api(`days/${DAY}`))).json).toEqual({
      date: DAY,
      images: 6,
      cameras: [
        {
          name: "Barn-Door",
          images: 3,
          first: "00:00:01.000000",
          last: "23:59:59.000000",
          minutes: [
            [0, 1],
            [600, 1],
            [1439, 1],
          ],
        },
        {
          name: "Gate",
          images: 3,
          first: "10:00:00.000000",
          last: "12:00:00.000000",
          minutes: [
            [600, 1],
            [601, 1],
            [720, 1],
          ],
        },
      ],
      events: 1,
      eventMinutes: [[480, 1]],
    });
  });

  test.each([
    ["", ["00:00:01", "10:00:00", "10:00:30", "10:01:00", "12:00:00", "23:59:59"], 6, 0],
    ["?camera=Gate", ["10:00:00", "10:01:00", "12:00:00"], 3, 0],
    ["?camera=Gate&camera=Barn-Door&from=10:01&to=23:59:59", ["10:01:00", "12:00:00"], 2, 0],
    ["?offset=2&limit=2", ["10:00:30", "10:01:00"], 6, 2],
    ["?offset=-1", ["23:59:59"], 6, 5],
    ["?offset=-100&limit=1", ["00:00:01"], 6, 0],
    ["?offset=100", [], 6, 100],
    ["?camera=Nobody", [], 0, 0],
    ["?from=12:00&to=10:00", [], 0, 0],
  ])("lists images with %s", async (query, expected, total, offset) => {
    fill();
    const { json } = await ask(api(`days/${DAY}/images${query}`));
    expect(json).toMatchObject({ date: DAY, total, offset });
    const { images } = json as { images: { time: string }[] };
    expect(images.map(({ time }) => time)).toEqual(expected.map((time) => `${time}.000000`));
  });

  test("knows how many images come before a time", async () => {
    fill();
    expect(await place("at=10:00:30")).toMatchObject({ place: 2, total: 6 });
    expect(await place("at=10:01&camera=Gate")).toMatchObject({ place: 1, total: 3 });
    expect(await place("at=24:00")).toMatchObject({ place: 6, total: 6 });
  });

  test("lists what comes at a time, in a part that others get too", async () => {
    fill();
    const part = async (query: string) => (await ask(api(`days/${DAY}/images?${query}`))).json;
    const [all, around, end] = [
      await part("limit=2&offset=2"),
      await part("limit=2&at=10:01"),
      await part("limit=4&at=24:00"),
    ];
    expect(around).toEqual({ ...(all as object), place: 3 });
    expect(end).toMatchObject({ offset: 4, place: 6 });
    expect((await ask(api(`days/${DAY}/images?at=10:00&offset=0`))).status).toBe(400);
  });

  test("sees what has come and gone meanwhile", async () => {
    const [first = ""] = fill();
    const total = async (): Promise<unknown> =>
      ((await ask(api(`days/${DAY}/images`))).json as { total: number }).total;
    expect(await total()).toBe(6);
    addImage(directory, DAY, "13:00");
    expect(await total()).toBe(7);
    unlinkSync(`${directory.dateFolder(DAY)}/${first}`);
    expect(await total()).toBe(6);
    rmSync(directory.dateFolder(DAY), { recursive: true });
    expect(await total()).toBe(0);
    expect(await place("at=10:00")).toMatchObject({ place: 0, offset: 0, total: 0 });
  });
});

describe("an image", () => {
  test("is the file, byte for byte, and never changes", async () => {
    const name = addPicture("10:00");
    const { status, type, bytes, headers } = await ask(api(`days/${DAY}/images/${name}`));
    expect([status, type]).toEqual([200, "image/jpeg"]);
    expect(bytes.equals(PICTURE)).toBe(true);
    expect(headers).toMatchObject({
      "Cache-Control": "private, max-age=31536000, immutable",
      "Accept-Ranges": "bytes",
    });
    const tag = headers["ETag"]!;
    const again = await ask(api(`days/${DAY}/images/${name}`), {
      headers: { "if-none-match": `"x", ${tag}` },
    });
    expect([again.status, again.bytes.length]).toEqual([304, 0]);
    const any = await ask(api(`days/${DAY}/images/${name}`), { headers: { "if-none-match": "*" } });
    expect(any.status).toBe(304);
    const saved = await ask(api(`days/${DAY}/images/${name}?download`));
    expect(saved.headers["Content-Disposition"]).toBe(`attachment; filename*=UTF-8''${name}`);
  });

  test.each([
    ["bytes=0-9", 206, 0, 10],
    ["bytes=10-", 206, 10, PICTURE.length],
    ["bytes=-5", 206, PICTURE.length - 5, PICTURE.length],
    ["bytes=-999999", 206, 0, PICTURE.length],
    ["bytes=5-999999", 206, 5, PICTURE.length],
    ["bytes=999999-", 416, 0, 0],
    ["bytes=9-5", 416, 0, 0],
    ["bytes=-0", 416, 0, 0],
    ["bytes=0-1,3-4", 200, 0, PICTURE.length],
    ["lines=0-1", 200, 0, PICTURE.length],
    ["bytes=-", 200, 0, PICTURE.length],
  ])("is answered in the range %s", async (range, expected, from, to) => {
    const name = addPicture("10:00");
    const { status, bytes, headers } = await ask(api(`days/${DAY}/images/${name}`), {
      headers: { range },
    });
    expect(status).toBe(expected);
    if (status === 416) expect(headers["Content-Range"]).toBe(`bytes */${PICTURE.length}`);
    else expect(bytes.equals(PICTURE.subarray(from, to))).toBe(true);
    if (status === 206)
      expect(headers["Content-Range"]).toBe(`bytes ${from}-${to - 1}/${PICTURE.length}`);
  });

  test("that is large comes in parts", async () => {
    const name = addImage(directory, DAY, "10:00", "Barn", 1_000_001);
    const { bytes, length } = await ask(api(`days/${DAY}/images/${name}`));
    expect([bytes.length, length]).toEqual([1_000_001, 1_000_001]);
  });

  test("has its neighbours of the same camera, and its size", async () => {
    fill();
    const name = addPicture("10:00:40", "Barn-Door");
    expect((await ask(api(`days/${DAY}/images/${name}/info`))).json).toEqual({
      name,
      camera: "Barn-Door",
      date: DAY,
      time: "10:00:40.000000",
      bytes: PICTURE.length,
      width: 640,
      height: 480,
      protected: false,
      previous: `Barn-Door-${DAY}T10.00.30.000000.jpg`,
      next: `Barn-Door-${DAY}T23.59.59.000000.jpg`,
    });
  });

  test("that is only among the protected ones is there, too", async () => {
    const name = addPicture("10:00");
    mkdirSync(directory.keptFolder(DAY), { recursive: true });
    linkSync(`${directory.dateFolder(DAY)}/${name}`, `${directory.keptFolder(DAY)}/${name}`);
    rmSync(directory.dateFolder(DAY), { recursive: true });
    expect((await ask(api(`days/${DAY}/images/${name}`))).status).toBe(200);
    expect((await ask(api(`days/${DAY}/images/${name}/info`))).json).toMatchObject({
      protected: true,
      next: null,
    });
  });

  test("has a thumbnail, which is made once", async () => {
    const name = addPicture("10:00");
    const { status, type, bytes } = await ask(api(`days/${DAY}/thumbnails/${name}?width=160`));
    expect([status, type]).toEqual([200, "image/jpeg"]);
    expect(await new Bun.Image(bytes).metadata()).toMatchObject({ width: 160, height: 120 });
    rmSync(directory.dateFolder(DAY), { recursive: true });
    const again = await ask(api(`days/${DAY}/thumbnails/${name}?width=160`));
    expect(again.bytes.equals(bytes)).toBe(true);
  });

  test("that is no picture has no thumbnail", async () => {
    const name = addImage(directory, DAY, "10:00");
    const { status, bytes } = await ask(api(`days/${DAY}/thumbnails/${name}`));
    expect(status).toBe(422);
    expect(bytes.toString()).toStartWith("This file is no picture");
    expect((await ask(api(`days/${DAY}/images/${name}/info`))).json).toMatchObject({ width: null });
  });
});

test("the latest image of a camera is not sent again while it is the same", async () => {
  const { today } = tree;
  const name = addPicture("00:00", "Barn", today);
  const path = `${directory.dateFolder(today)}/${name}`;
  utimesSync(path, 1e9, 1e9);
  for (const query of ["", "?width=160"]) {
    const latest = async (headers: Record<string, string> = {}): Promise<Asked> =>
      await ask(api(`latest/Barn.jpg${query}`), { headers });
    const { status, headers } = await latest();
    expect(status).toBe(200);
    const modified = headers["Last-Modified"]!;
    expect(modified).toBe("Sun, 09 Sep 2001 01:46:40 GMT");
    const tag = headers["ETag"]!;
    expect((await latest({ "if-none-match": tag })).status).toBe(304);
    expect((await latest({ "if-none-match": "*" })).status).toBe(304);
    expect((await latest({ "if-modified-since": modified })).status).toBe(304);
    expect((await latest({ "if-none-match": '"x"', "if-modified-since": modified })).status).toBe(
      200,
    );
    // That was of an image that has been deleted.
    const later = new Date(1e12 + 60_000).toUTCString();
    expect((await latest({ "if-modified-since": later })).status).toBe(200);
  }
  const tags = ["", "?width=160", "?width=320"].map(
    async (query) => (await ask(api(`latest/Barn.jpg${query}`))).headers["ETag"],
  );
  expect(new Set(await Promise.all(tags)).size).toBe(3);
  // Another one may come within this second.
  const now = new Date();
  utimesSync(path, now, now);
  const clock = spyOn(Date, "now").mockReturnValue(now.getTime());
  const { headers } = await ask(api("latest/Barn.jpg"));
  clock.mockRestore();
  expect(headers["Last-Modified"]).toBe(new Date(now.getTime() - 1000).toUTCString());
});

test("the latest image of a camera, and all cameras", async () => {
  const { today } = tree;
  const yesterday = daysAfter(today, -1);
  addPicture("10:00", "Gate", yesterday);
  const gate = addPicture("11:00", "Gate", yesterday);
  addPicture("00:00", "Barn", today);
  const barn = addPicture("00:00:01", "Barn", today);
  addPicture("10:00", "Long-gone", "2021-01-01");
  expect((await ask(api("cameras"))).json).toMatchObject({
    cameras: [
      { name: "Barn", latest: { date: today, name: barn }, imagesToday: 2 },
      { name: "Gate", latest: { date: yesterday, name: gate }, imagesToday: 0 },
      { name: "Long-gone", imagesToday: 0 },
    ],
  });
  const latest = await ask(api("latest/Gate.jpg"));
  expect(latest.bytes.equals(PICTURE)).toBe(true);
  expect(latest.headers).toMatchObject({ "X-Image-Name": gate, "Cache-Control": "no-cache" });
  const small = await ask(api("latest/Gate.jpg?width=320"));
  expect(await new Bun.Image(small.bytes).metadata()).toMatchObject({ width: 320 });
  expect((await ask(api("latest/Nobody.jpg"))).status).toBe(404);
});

describe("events", () => {
  const LINES = [
    "08:00:00,001 ~ Barn|Temp|76 F",
    "09:00:00,000 ~ Starting imagehub 0.1.0",
    "10:00:00,000 ~ Barn|motion|moving",
    "11:00:00,000 ~ Garage Door|Temp|-3.5",
    "12:00:00,000 ~ Barn|Temp|77 F",
  ];
  beforeEach(() => {
    const lines = LINES.map((line) => `${DAY} ${line}\n`).join("");
    writeFileSync(directory.datedLog(20210924), `${lines}no record\n`);
    writeFileSync(directory.datedLog(20210923), "2021-09-23 08:00:00,000 ~ Barn|Temp|70 F\n");
    // After midnight the log is renamed only with the next event.
    writeFileSync(
      directory.eventLog,
      `${DAY} 23:00:00,000 ~ Barn|Temp|78 F\n2021-09-25 00:00:00,000 ~ a|b|c\n`,
    );
  });

  test.each([
    ["", ["08", "09", "10", "11", "12", "23"]],
    ["?hub=no", ["08", "10", "11", "12", "23"]],
    ["?node=barn&type=temp", ["08", "12", "23"]],
    ["?text=MOVING", ["10"]],
    ["?from=09:00&to=12:00", ["09", "10", "11"]],
    ["?offset=1&limit=2", ["09", "10"]],
  ])("of a day, with %s", async (query, expected) => {
    const { json } = await ask(api(`days/${DAY}/events${query}`));
    expect(times(json)).toEqual(expected);
  });

  test("have their parts", async () => {
    const { json } = await ask(api(`days/${DAY}/events?limit=4`));
    expect(json).toMatchObject({
      total: 6,
      events: [
        {
          text: "Barn|Temp|76 F",
          node: "Barn",
          type: "Temp",
          value: "76 F",
          number: 76,
          unit: "F",
        },
        { text: "Starting imagehub 0.1.0", node: null },
        { node: "Barn", type: "motion", value: "moving" },
        { node: "Garage Door", value: "-3.5", number: -3.5, unit: "" },
      ],
    });
    expect((json as { events: object[] }).events[2]).not.toHaveProperty("number");
  });

  test("of all days come in pages, the latest first, and none twice", async () => {
    const found: string[] = [];
    let before = "";
    for (let page = 0; page < 10; page++) {
      const { json } = await ask(api(`events?text=temp&limit=2${before}`));
      const { events, more } = json as {
        events: { date: string; time: string }[];
        more: string | null;
      };
      found.push(...events.map(({ date, time }) => `${date.slice(-2)} ${time.slice(0, 2)}`));
      if (more === null) break;
      before = `&before=${more}`;
    }
    expect(found).toEqual(["24 23", "24 12", "24 11", "24 08", "23 08"]);
    const { json } = await ask(api("events?from=2021-09-23&to=2021-09-23"));
    expect(times(json)).toEqual(["08"]);
  });

  test("make a curve", async () => {
    const { json } = await ask(api(`series?node=Barn&type=Temp&from=2021-09-23&to=${DAY}`));
    expect(json).toEqual({
      unit: "F",
      points: [
        ["2021-09-23T08:00:00.000", 70],
        [`${DAY}T08:00:00.001`, 76],
        [`${DAY}T12:00:00.000`, 77],
        [`${DAY}T23:00:00.000`, 78],
      ],
    });
  });
});

describe("a ZIP", () => {
  test("has the images of a camera and a time", async () => {
    const [, name = ""] = fill();
    const { bytes, headers } = await ask(api(`zip?date=${DAY}&camera=Gate&to=10:01`));
    expect(headers["Content-Disposition"]).toBe(`attachment; filename="imagehub-${DAY}.zip"`);
    expect(list(bytes)).toContain(`${DAY}/${name}`);
    expect(list(bytes).split("\n")).toHaveLength(3);
  });

  test("has the images of a list, and leaves out what is gone", async () => {
    const [first = "", second = ""] = fill();
    unlinkSync(`${directory.dateFolder(DAY)}/${first}`);
    const json = JSON.stringify({
      images: [
        [DAY, first],
        [DAY, second],
      ],
    });
    const sent = [
      { body: json, headers: {} },
      {
        body: new URLSearchParams({ json }).toString(),
        headers: { "content-type": "application/x-www-form-urlencoded" },
      },
    ];
    for (const request of sent) {
      const { status, bytes } = await ask(api("zip"), { method: "POST", ...request });
      expect(status).toBe(200);
      expect(list(bytes)).toContain(`${DAY}/${second}`);
      expect(list(bytes)).not.toContain(first);
    }
  });
});

test("a ZIP has each image once, and there is none without images", async () => {
  const [first = "", second = ""] = fill();
  const zip = async (names: string[]): Promise<Asked> =>
    await ask(api("zip"), {
      method: "POST",
      body: JSON.stringify({ images: names.map((name) => [DAY, name]) }),
    });
  expect(list((await zip([first, second, first])).bytes).split("\n")).toHaveLength(4);
  unlinkSync(`${directory.dateFolder(DAY)}/${first}`);
  expect((await zip([first])).status).toBe(404);
  expect((await ask(api(`zip?date=${DAY}&from=13:00&to=14:00`))).status).toBe(404);
});

test("images are protected, and no longer", async () => {
  const [name = ""] = fill();
  const protect = async (isOn: boolean): Promise<Asked> =>
    await ask(api("protect"), {
      method: "POST",
      body: JSON.stringify({ images: [[DAY, name]], protect: isOn }),
    });
  expect((await protect(true)).json).toEqual({ changed: 1, problems: [] });
  expect(await shown()).toMatchObject({ name, protected: true });
  expect((await protect(false)).json).toEqual({ changed: 1, problems: [] });
  expect(await shown()).toMatchObject({ name, protected: false });
});

test("a body that curl calls a form is refused with what to do", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = JSON.stringify({ images: [[DAY, "x"]] });
  const { status, bytes } = await ask(api("zip"), { method: "POST", headers, body });
  expect(status).toBe(400);
  expect(bytes.toString()).toContain("-H 'Content-Type: application/json'");
});

describe("a hostile request", () => {
  const secret = "secret-2021-09-24T10.00.00.000000.jpg";

  test.each([
    ["a path", `days/${DAY}/images/../../../secret`, 404],
    ["an encoded path", `days/${DAY}/images/..%2f..%2f${secret}`, 404],
    ["an encoded backslash", `days/${DAY}/images/..%5c${secret}`, 404],
    ["a date that is a path", `days/..%2f${DAY}/images/${secret}`, 400],
    ["a date with a path behind it", `days/${DAY}%2f..%2f..%2f/images/${secret}`, 400],
    ["a NUL", `days/${DAY}/images/a%00${secret}`, 404],
    ["a name of another day", `days/2021-09-23/images/${secret}`, 404],
    ["a hidden name", `days/${DAY}/images/.${secret}`, 404],
    ["a long name", `days/${DAY}/images/${"a".repeat(2000)}-${DAY}T10.00.00.000000.jpg`, 404],
    ["a broken code", `days/${DAY}/images/%e0%a4`, 400],
    ["a % alone", `days/${DAY}/images/%`, 400],
    ["a thumbnail through a path", `days/${DAY}/thumbnails/..%2f..%2f${secret}`, 404],
    ["a page that is huge", `days/${DAY}/images?offset=99999999999`, 400],
    ["a page that is none", `days/${DAY}/images?offset=1e3`, 400],
    ["a limit that is huge", `days/${DAY}/images?limit=100000`, 400],
    ["a negative limit", `days/${DAY}/images?limit=-1`, 400],
    ["a time that is none", `days/${DAY}/images?from=25:99`, 400],
    ["a width that is none", `days/${DAY}/thumbnails/x?width=9`, 400],
    ["a curve of a century", "series?from=1921-01-01&to=2021-01-01", 400],
    ["a date that no calendar has", "events?from=2026-99-01", 400],
    ["a date that is none", "events?to=today", 400],
    ["a cursor that is none", "events?before=../../x.1", 400],
    ["a part of the page that is a path", "../../assets/..%2f..%2fpackage.json", 404],
    ["another method", `days`, 405],
  ])("with %s is refused", async (what, target, expected) => {
    fill();
    writeFileSync(join(temp.path, secret), "secret");
    const method = what === "another method" ? "POST" : "GET";
    const { status, bytes } = await ask(api(target), { method });
    expect(status).toBe(expected);
    expect(bytes.toString()).not.toContain("secret\n");
  });

  test("for a symbolic link is refused", async () => {
    fill();
    const outside = join(temp.path, "outside");
    writeFileSync(outside, "secret");
    const name = `Link-${DAY}T10.00.00.000000.jpg`;
    symlinkSync(outside, `${directory.dateFolder(DAY)}/${name}`);
    expect((await ask(api(`days/${DAY}/images/${name}`))).status).toBe(404);
    expect((await ask(api(`days/${DAY}/thumbnails/${name}`))).status).toBe(404);
    const { bytes } = await ask(api(`zip?date=${DAY}`));
    expect(bytes.toString("latin1")).not.toContain("secret");
    // Nor through a folder that is one.
    mkdirSync(join(temp.path, "elsewhere"));
    const other = `Barn-2021-09-20T10.00.00.000000.jpg`;
    writeFileSync(join(temp.path, "elsewhere", other), "secret");
    symlinkSync(join(temp.path, "elsewhere"), directory.dateFolder("2021-09-20"));
    expect((await ask(api(`days/2021-09-20/images/${other}`))).status).toBe(404);
  });

  test.each([
    ["nonsense", "nonsense"],
    ["null", "null"],
    ["no images", "{}"],
    [
      "too many images",
      JSON.stringify({ images: Array.from({ length: 1001 }, () => [DAY, "x"]), protect: true }),
    ],
    ["images that are none", JSON.stringify({ images: [1], protect: true })],
    ["a name that is a path", JSON.stringify({ images: [[DAY, "../x"]], protect: true })],
    ["no wish", JSON.stringify({ images: [[DAY, "x"]] })],
  ])("to protect with %s is refused", async (_, body) => {
    expect((await ask(api("protect"), { method: "POST", body })).status).toBe(400);
  });

  test("while the data directory is gone is told so", async () => {
    fill();
    rmSync(directory.images, { recursive: true });
    const { status, bytes } = await ask(api("days"));
    expect(status).toBe(503);
    expect(bytes.toString()).toStartWith("The data directory cannot be read: ");
  });
});

test("a long list is compressed for those who can read it", async () => {
  const line = `${DAY} 08:00:00,000 ~ Barn|Note|${"x".repeat(500)}\n`;
  writeFileSync(directory.datedLog(20210924), line.repeat(1000));
  const whole = await ask(api(`days/${DAY}/events?limit=1000`));
  expect(whole.headers).toEqual({});
  const answer = await site.answer({
    method: "GET",
    path: api(`days/${DAY}/events`),
    query: new URLSearchParams("limit=1000"),
    headers: new Map([["accept-encoding", "gzip, br"]]),
    body: new Uint8Array(),
    gone: new AbortController().signal,
  });
  expect(answer.headers).toEqual({ "Content-Encoding": "gzip", Vary: "Accept-Encoding" });
  const zipped = answer.body as Uint8Array<ArrayBuffer>;
  expect(zipped.byteLength).toBeLessThan(whole.bytes.byteLength / 20);
  expect(Buffer.from(Bun.gunzipSync(zipped)).equals(whole.bytes)).toBe(true);
});
