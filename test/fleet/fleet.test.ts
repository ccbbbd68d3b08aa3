/** Many hubs in one bucket of a real store, as what people look at. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { lacks } from "../../scripts/lib/available.ts";
import { formatManifest } from "../../src/archive/manifest.ts";
import { messageOf } from "../../src/errors.ts";
import { Fleet } from "../../src/fleet/fleet.ts";
import { HubFolder } from "../../src/fleet/hub-folder.ts";
import { HubImages, roomForImages } from "../../src/fleet/hub-images.ts";
import { listDay } from "../../src/fleet/ranges.ts";
import { Store } from "../../src/fleet/store.ts";
import type { DaySummary } from "../../src/page/answers.ts";
import { daysAfter } from "../../src/protocol/calendar.ts";
import { Keys, manifestPath } from "../../src/replicate/layout.ts";
import { Link } from "../../src/replicate/link.ts";
import { putSummary } from "../../src/replicate/summary.ts";
import { Bucket } from "../../src/s3/bucket.ts";
import type { Target } from "../../src/s3/target.ts";
import { OutletTally } from "../../src/tell/outlet.ts";
import { searchEvents } from "../../src/view/events.ts";
import { Clock } from "../support/machine/clock.ts";
import { Ceph, makeBucket } from "../support/peers/ceph.ts";
import { StoreLink } from "../support/peers/store-link.ts";

setDefaultTimeout(60_000);

const DAY = "2021-09-23";
const SILENT = { info: () => undefined, warn: () => undefined };

const imageName = (camera: string, second: number, date = DAY): string => {
  const time = new Date(second * 1000).toISOString().slice(11, 19).replaceAll(":", ".");
  return `${camera}-${date}T${time}.000000.jpg`;
};

const times = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** A hub that only puts. */
class Writer {
  readonly keys: Keys;
  readonly bucket: Bucket;

  constructor(
    target: Target,
    readonly name: string,
  ) {
    this.keys = new Keys(name);
    this.bucket = new Bucket(target);
  }

  async put(path: string, text: string): Promise<void> {
    const object = { body: new TextEncoder().encode(text), contentType: "text/plain" };
    expect(await this.bucket.put(this.keys.of(path), object)).toBe("stored");
  }

  async images(date: string, names: readonly string[]): Promise<void> {
    await Promise.all(names.map(async (name) => this.put(`images/${date}/${name}`, name)));
  }

  /** Finishes a day as a hub does. */
  async finish(date: string, paths: readonly string[], number = 1, hasSummary = true) {
    const sums = new Map(paths.map((path) => [path, "0".repeat(64)]));
    await this.put(manifestPath(date, number), formatManifest(sums));
    if (!hasSummary) return;
    const link = new Link(new OutletTally("replicate", "", () => {}));
    await putSummary({ bucket: this.bucket, link, keys: this.keys }, date, number, new Set(paths));
  }
}

/** All days, when they are counted. */
async function countedBy(fleet: Fleet): Promise<readonly DaySummary[]> {
  for (;;) {
    const { days } = await fleet.list();
    if (days.every(({ counted }) => counted !== false)) return days;
    await Bun.sleep(20);
  }
}

describe.skipIf(lacks("ceph"))("hubs in a bucket", () => {
  let store: Ceph;
  let target: Target;
  beforeAll(async () => {
    store = await Ceph.start();
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
  });

  const begin = async (...names: string[]): Promise<Writer[]> => {
    target = await makeBucket(store.address);
    const writers = names.map((name) => new Writer(target, name));
    for (const each of writers) await each.put("hub.json", '{"time_zone":"Europe/Berlin"}');
    return writers;
  };

  const fleetAt = (at: Target = target): Fleet => new Fleet(at, { hubs: [] }, SILENT);

  test("days are counted from summaries, or from lists without them", async () => {
    const [north, south] = (await begin("north", "south")) as [Writer, Writer];
    const names = [1, 2, 3].map((second) => imageName("Barn", second));
    const paths = names.map((name) => `images/${DAY}/${name}`);
    const log = `logs/imagehub.log.${DAY}`;
    await north.images(DAY, names);
    await north.put(log, `${DAY} 08:00:00,000 ~ Gate|door|open\n${DAY} 08:00:01,000 ~ Starting\n`);
    await north.finish(DAY, [...paths.slice(0, 2), log]);
    await north.finish(DAY, paths.slice(2), 2);
    // The first one was made by a version without summaries; the other day was never finished.
    await south.images(DAY, names);
    await south.finish(DAY, paths, 1, false);
    await south.images("2021-09-24", [imageName("Gate", 5, "2021-09-24")]);
    const fleet = fleetAt();
    const first = await fleet.list();
    expect(first.days.map(({ date, counted: is }) => [date, is])).toEqual([
      [DAY, false],
      ["2021-09-24", false],
    ]);
    const bytes = names.join("").length;
    expect(await countedBy(fleet)).toMatchObject([
      {
        date: DAY,
        images: 6,
        bytes: 2 * bytes,
        events: 1,
        cameras: [
          { name: "north:Barn", images: 3, bytes },
          { name: "south:Barn", images: 3, bytes },
        ],
      },
      { date: "2021-09-24", images: 1, cameras: [{ name: "south:Gate" }] },
    ]);
    const day = await fleet.day(DAY);
    const all = Array.from({ length: day!.count }, (_, place) => day!.at(place).name);
    expect(all).toEqual(names.flatMap((name) => [`north:${name}`, `south:${name}`]));
    expect(await fleet.day("2021-09-22")).toBeUndefined();
    // A manifest that is damaged says nothing.
    await south.images("2021-09-21", [imageName("Gate", 5, "2021-09-21")]);
    await south.put(manifestPath("2021-09-21", 1), "nonsense");
    await fleet.refresh();
    expect((await fleet.day("2021-09-21"))?.count).toBe(1);
    await countedBy(fleet);
    // What is known is not asked for again.
    const before = { ...fleet.store.calls };
    await fleet.list();
    await fleet.day(DAY);
    expect(fleet.store.calls).toEqual(before);
  });

  test("the latest image of a camera may be in any part of a day", async () => {
    const [north] = (await begin("north")) as [Writer];
    const date = daysAfter(new HubFolder("north", new Store(target)).today, -1);
    const [early, late] = [10, 20].map((second) => imageName("Barn", second, date)) as [
      string,
      string,
    ];
    await north.images(date, [early, late]);
    await north.finish(date, [`images/${date}/${late}`]);
    // It came later, but is older.
    await north.finish(date, [`images/${date}/${early}`], 2);
    await north.images(daysAfter(date, -1), [imageName("Gate", 5, daysAfter(date, -1))]);
    const cameras = await fleetAt().cameras();
    expect(cameras.map(({ name, latest }) => [name, latest.date, latest.time.slice(0, 8)])).toEqual(
      [
        ["north:Barn", date, "00:00:20"],
        ["north:Gate", daysAfter(date, -1), "00:00:05"],
      ],
    );
  });

  test("a hub that has been away for years still has its cameras", async () => {
    const [north] = (await begin("north")) as [Writer];
    const name = imageName("Barn", 10);
    await north.images(DAY, [name]);
    await north.finish(DAY, [`images/${DAY}/${name}`]);
    const cameras = await fleetAt().cameras();
    expect(cameras).toMatchObject([{ name: "north:Barn", latest: { date: DAY }, imagesToday: 0 }]);
  });

  test("a day with a manifest is read with one call, and an image with one", async () => {
    const [north] = (await begin("north")) as [Writer];
    const names = Array.from({ length: 40 }, (_, second) => imageName("Barn", second));
    await north.images(DAY, names);
    await north.finish(
      DAY,
      names.map((name) => `images/${DAY}/${name}`),
    );
    for (const age of [1, 2]) {
      const date = daysAfter(DAY, age);
      await north.images(date, [imageName("Barn", 1, date)]);
    }
    const fleet = fleetAt();
    await fleet.list();
    const { calls } = fleet.store;
    const before = { ...calls };
    expect((await fleet.day(DAY))?.count).toBe(40);
    expect(calls).toEqual({ ...before, get: before.get + 1 });
    using image = await fleet.image(DAY, `north:${names[7]}`);
    expect(Buffer.from(image.read()).toString()).toBe(names[7]!);
    expect(Buffer.from(image.read(1, 3)).toString()).toBe("arn");
    // The summary was made here, so its zone is that of this machine.
    expect(image.modifiedMs).toBe(new Date(`${DAY}T00:00:07`).getTime());
    using again = await fleet.image(DAY, `north:${names[7]}`);
    expect(again.tag).toBe(image.tag);
    expect(calls.get).toBe(before.get + 2);
    for (const name of ["north:x.jpg", `south:${names[7]}`, names[7]!, `north:../${names[7]}`])
      expect(await fleet.image(DAY, name).catch((error: unknown) => error)).toMatchObject({
        status: 404,
      });
    expect(await fleet.isThere(DAY, `north:${names[7]}`)).toBe(true);
    expect(await fleet.isThere(DAY, `north:${imageName("Barn", 99)}`)).toBe(false);
  });

  test.each<readonly [string, readonly string[], number]>([
    [
      // Many at once, few later; and names whose order is another one in bytes.
      "few cameras",
      [
        ...times(1500).map((index) => imageName("Barn", index * 7)),
        ...times(700).map((index) => imageName("Barn", 50_000 + index)),
        ...["A", "Barn-Door", "Ω", "😀", "\uFF5E"].map((camera) => imageName(camera, 5)),
      ],
      10,
    ],
    [
      "many cameras",
      times(40).flatMap((camera) => times(26).map((index) => imageName(`C${camera}`, index * 60))),
      40,
    ],
  ])(
    "a large open day of %s is listed whole, in parts beside each other",
    async (_, names, max) => {
      const [north] = (await begin("north")) as [Writer];
      await inTurn(names, async (name) => north.images(DAY, [name]));
      await north.images(DAY, ["0 is no image", "Cat is none", "zzz"]);
      const prefix = north.keys.imagesOf(DAY);
      for (const until of [0, 20_000e6, 86_400e6]) {
        const reader = new Store(target);
        const found: string[] = [];
        await listDay({ store: reader, prefix, date: DAY, until }, ({ key }) => {
          if (key.endsWith(".jpg")) found.push(key.slice(prefix.length));
        });
        expect(found.toSorted(byBytes)).toEqual([...names].toSorted(byBytes));
        expect(reader.calls.list).toBeLessThanOrEqual(max);
      }
    },
  );

  test.each([
    ["today", 0, 1],
    ["a day that was never finished", -3, 12],
  ])("%s is looked at from its last images on, and finds new cameras", async (_, age, slower) => {
    const [north] = (await begin("north")) as [Writer];
    const folder = new HubFolder("north", new Store(target));
    await folder.refresh();
    const date = daysAfter(folder.today, age);
    const own = (camera: string, second: number): string => imageName(camera, second, date);
    await north.images(date, [own("Barn", 5000), own("Gate", 5000)]);
    const found: string[] = [];
    const images = new HubImages(
      folder,
      roomForImages(),
      () => false,
      (_date, name) => found.push(name),
    );
    await folder.refresh();
    expect((await images.of(date))?.count).toBe(2);
    // One was copied beside the others, and later than they.
    const later = [own("Barn", 5010), own("Barn", 4990), own("Meadow", 7)];
    await north.images(date, later);
    // Too early to be found.
    await north.images(date, [own("Gate", 10)]);
    expect((await images.of(date))?.count).toBe(2);
    using clock = new Clock();
    clock.goOn(11_000 * slower);
    expect((await images.of(date))?.count).toBe(5);
    expect(found.toSorted()).toEqual(later.toSorted());
    clock.goOn(300_000 * slower);
    expect((await images.of(date))?.count).toBe(6);
    expect(images.countOf(date)?.cameras.map(({ name, images: count }) => [name, count])).toEqual([
      ["Barn", 3],
      ["Gate", 2],
      ["Meadow", 1],
    ]);
    // A day that is finished meanwhile has lost nothing.
    await north.finish(date, [`images/${date}/${own("Barn", 5010)}`]);
    await folder.refresh();
    expect((await images.of(date))?.count).toBe(6);
  });

  test("events of an open day come in parts, each read once, and are searched over all hubs", async () => {
    const [north, south] = (await begin("north", "south")) as [Writer, Writer];
    const line = (second: number, text: string): string =>
      `${DAY} 08:00:0${second},000 ~ ${text}\n`;
    const [first, second] = [line(1, "Gate|door|open"), line(3, "Gate|door|shut")];
    const part = (place: number): string => `logs/${DAY}/${String(place).padStart(12, "0")}`;
    await north.put(part(0), first);
    await north.put(part(first.length), second);
    await south.put(`logs/imagehub.log.${DAY}`, line(2, "Gate|door|ajar") + line(4, "Starting"));
    const fleet = fleetAt();
    const texts = async (): Promise<string[]> =>
      (await fleet.eventsOf(DAY)).map(({ hub, text }) => `${hub}: ${text}`);
    expect(await texts()).toEqual([
      "north: Gate|door|open",
      "south: Gate|door|ajar",
      "north: Gate|door|shut",
      "south: Starting",
    ]);
    const gets = fleet.store.calls.get;
    await north.put(part(first.length + second.length), line(5, "Gate|door|locked"));
    using clock = new Clock();
    clock.goOn(6000);
    expect((await texts()).at(-1)).toBe("north: Gate|door|locked");
    expect(fleet.store.calls.get).toBe(gets + 1);
    const search = async (query: string): Promise<unknown> =>
      await searchEvents(fleet, new URLSearchParams(query));
    expect(await search("text=door&limit=3")).toMatchObject({
      events: [{ value: "locked" }, { value: "shut" }, { value: "ajar" }],
      more: `${DAY}.1`,
    });
    expect(await search(`text=door&limit=3&before=${DAY}.1`)).toMatchObject({
      events: [{ node: "north:Gate", value: "open" }],
      more: null,
    });
    expect(await search("node=south:Gate")).toMatchObject({ events: [{ value: "ajar" }] });
    expect(await search(`from=2021-09-24&to=2021-09-30`)).toEqual({ events: [], more: null });
    // The days were listed before.
    const { today = "" } = fleet.states.find(({ name }) => name === "south") ?? {};
    await south.put(`logs/${today}/000000000000`, `${today} 08:00:00,000 ~ Gate|door|new\n`);
    clock.goOn(6000);
    expect(await search("text=new")).toMatchObject({ events: [{ node: "south:Gate" }] });
  });

  test("while the store is away, what is known is shown; then it goes on", async () => {
    const [north] = (await begin("north")) as [Writer];
    await north.images(DAY, [imageName("Barn", 1)]);
    await using link = await StoreLink.start(store.port);
    const fleet = fleetAt({ ...target, endpoint: new URL(link.endpoint) });
    await countedBy(fleet);
    expect((await fleet.day(DAY))?.count).toBe(1);
    link.become("refuse");
    using clock = new Clock();
    clock.goOn(70_000);
    expect((await fleet.list()).days).toMatchObject([{ images: 1 }]);
    expect((await fleet.day(DAY))?.count).toBe(1);
    const image = `north:${imageName("Barn", 1)}`;
    expect(await fleet.image(DAY, image).catch(messageOf)).toContain("cannot be reached");
    await fleet.refresh().catch(() => undefined);
    expect(fleet.store.problem).toContain("cannot be reached");
    link.become("pass");
    clock.goOn(2000);
    using read = await fleet.image(DAY, image);
    expect(read.bytes).toBe(imageName("Barn", 1).length);
    expect(fleet.store.problem).toBeUndefined();
  });
});

/** Does something with each, some at a time. */
async function inTurn<T>(all: Iterable<T>, work: (each: T) => Promise<void>): Promise<void> {
  const rest = Iterator.from(all);
  const others = async (): Promise<void> => {
    for (const each of rest) await work(each);
  };
  await Promise.all(Array.from({ length: 32 }, others));
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
