/** What a view asks for is bounded, and what one hub has put does not hide the others. */

import { describe, expect, test } from "bun:test";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../src/errors.ts";
import { Fleet } from "../../src/fleet/fleet.ts";
import { Held } from "../../src/fleet/held.ts";
import { HubFolder } from "../../src/fleet/hub-folder.ts";
import { HubImages, roomForImages } from "../../src/fleet/hub-images.ts";
import { Store } from "../../src/fleet/store.ts";
import { daysAfter } from "../../src/protocol/calendar.ts";
import { answered } from "../support/hub/http.ts";
import { Clock } from "../support/machine/clock.ts";
import { tempDir } from "../support/machine/temp.ts";
import { MemoryStore } from "../support/peers/memory-store.ts";

const DAY = "2021-09-23";
const SILENT = { info: () => undefined, warn: () => undefined };
const imageName = (camera: string, date = DAY, time = "10.00.00.000000"): string =>
  `${camera}-${date}T${time}.jpg`;
const fleetOf = (store: MemoryStore): Fleet => new Fleet(store.target, { hubs: [] }, SILENT);

/** A store with the images of two cameras, which does not give that of Barn. */
function refusing(refusal: { readonly status: number; readonly code: string }): MemoryStore {
  const store = new MemoryStore();
  store.hub("north");
  store.images(
    "north",
    DAY,
    ["Barn", "Gate"].map((camera) => imageName(camera)),
  );
  store.refusals.set(`GET north/images/${DAY}/${imageName("Barn")}`, refusal);
  return store;
}

describe("what is asked", () => {
  test("is asked once, however many ask at once", async () => {
    using store = new MemoryStore();
    const dates = Array.from({ length: 5 }, (_, age) => daysAfter(DAY, -age));
    for (const hub of ["north", "south"]) {
      store.hub(hub);
      for (const date of dates) store.finished(hub, date, [imageName("Barn", date)]);
    }
    store.delayMs = 20;
    const fleet = fleetOf(store);
    await fleet.refresh();
    const before = store.calls.length;
    const all = await Promise.all(Array.from({ length: 10 }, async () => fleet.list()));
    for (const { days } of all) expect(days.every(({ images }) => images === 2)).toBe(true);
    expect(store.calls.length - before).toBe(10);
  });

  test("is one call for a folder that is no hub's", async () => {
    using store = new MemoryStore();
    store.hub("north");
    // Without the file that says whose it is.
    store.finished("south", DAY, [imageName("Barn")]);
    for (const name of ["photos", "Videos", "2021"]) store.objects.set(`${name}/a/b`, "");
    const fleet = fleetOf(store);
    await fleet.refresh();
    expect(fleet.states.map(({ name }) => name)).toEqual(["north", "south"]);
    // The list of folders, five for each hub and what says whose it is, and one for each other.
    expect(store.calls.toSorted()).toHaveLength(1 + 2 * 5 + 1 + 3);
  });
});

test("what one hub has put does not hide the others", async () => {
  using home = tempDir();
  const file = join(home.path, "huge");
  writeFileSync(file, "");
  truncateSync(file, 257 * 2 ** 20);
  using store = new MemoryStore();
  const event = `${DAY} 08:00:00,000 ~ Gate|door|open\n`;
  for (const hub of ["bad", "good"]) {
    store.hub(hub);
    store.finished(hub, DAY, [imageName("Barn")]);
    store.objects.set(`${hub}/logs/imagehub.log.${DAY}`, event);
  }
  for (const path of [
    "hub.json",
    `days/${DAY}.json`,
    `manifests/${DAY}.sha256`,
    `logs/imagehub.log.${DAY}`,
  ])
    store.objects.set(`bad/${path}`, Bun.file(file));
  const fleet = fleetOf(store);
  await fleet.list();
  expect(fleet.states.map(({ name }) => name)).toEqual(["bad", "good"]);
  expect((await fleet.day(DAY))?.count).toBe(2);
  expect((await fleet.eventsOf(DAY)).map(({ hub, text }) => `${hub}: ${text}`)).toEqual([
    "bad: The event log of this day cannot be shown. It has more than 256 MiB",
    "good: Gate|door|open",
  ]);
  expect(fleet.store.bytes).toBeLessThan(64 * 2 ** 20);
  expect(fleet.store.problem).toBeUndefined();
});

test("an image that the store has moved to an archive is said to be there, and hides no other", async () => {
  using store = refusing({ status: 403, code: "InvalidObjectState" });
  const fleet = fleetOf(store);
  const read = async (camera: string): Promise<unknown> =>
    await fleet.image(DAY, `north:${imageName(camera)}`).catch((error: unknown) => error);
  expect(await read("Barn")).toMatchObject({
    status: 404,
    message: expect.stringContaining("archive of its own"),
  });
  expect(await read("Gate")).toMatchObject({ bytes: imageName("Gate").length });
  expect(fleet.store.problem).toBeUndefined();
  // No file has such a name, and no store such a key.
  expect(await read("x".repeat(1200))).toMatchObject({ status: 404 });
});

test("the cameras are those of the last seven days with images, also of a hub that is gone", async () => {
  using store = new MemoryStore();
  store.hub("north");
  for (const age of [0, 1, 2, 3, 4, 5, 6]) {
    const date = daysAfter(DAY, -age);
    store.finished("north", date, [imageName(`C${age}`, date)]);
  }
  const names = (await fleetOf(store).cameras()).map(({ name }) => name);
  expect(names).toEqual(["C0", "C1", "C2", "C3", "C4", "C5"].map((name) => `north:${name}`));
});

test("the first images after midnight are told to who has asked for the day of another zone", async () => {
  using store = new MemoryStore();
  store.hub("north");
  const folder = new HubFolder("north", new Store(store.target));
  await folder.refresh();
  const tomorrow = daysAfter(folder.today, 1);
  const found: string[] = [];
  const images = new HubImages(
    folder,
    roomForImages(),
    () => false,
    (_date, name) => found.push(name),
  );
  expect(await images.of(tomorrow)).toBeUndefined();
  expect(images.known(tomorrow)).toBeDefined();
  expect(await images.of(daysAfter(tomorrow, 1))).toBeUndefined();
  expect(images.known(daysAfter(tomorrow, 1))).toBeUndefined();
  store.images("north", tomorrow, [imageName("Barn", tomorrow)]);
  using clock = new Clock();
  clock.goOn(11_000);
  expect((await images.of(tomorrow))?.count).toBe(1);
  expect(found).toEqual([imageName("Barn", tomorrow)]);
});

test("Held drops what was asked for first, over all hubs, but nothing of the day that is asked for", () => {
  using clock = new Clock();
  const held = new Held<{ size: number }>(({ size }) => size, 13);
  const use = (hub: string, date: string, size: number): void => {
    clock.goOn(2000);
    held.use(hub, date, () => ({ size }));
  };
  for (const hub of ["a", "b"]) for (const date of ["1", "2"]) use(hub, date, 3);
  // a/1 was asked for first, but it is of the day.
  use("c", "1", 3);
  const left = (): string[] =>
    ["a", "b", "c"].flatMap((hub) =>
      ["1", "2"].filter((date) => held.get(hub, date) !== undefined).map((date) => hub + date),
    );
  expect(left()).toEqual(["a1", "b1", "b2", "c1"]);
  use("c", "2", 30);
  expect(left()).toEqual(["b2", "c2"]);
});

test("a hub that is slow does not hold up an image that the bucket has", async () => {
  using store = new MemoryStore();
  store.hub("north");
  let date = "";
  const name = (): string => imageName("Barn", date);
  // Tells an image, and never gives it.
  const hub = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async ({ url }) =>
      url.includes("/live")
        ? new Response(
            new ReadableStream<string>({
              start: (stream) => {
                const data = JSON.stringify({ date, name: name() });
                stream.enqueue(`event: start\ndata: {}\n\nevent: image\ndata: ${data}\n\n`);
              },
            }),
          )
        : await new Promise<Response>(() => {}),
  });
  const hubs = [{ name: "north", url: `http://127.0.0.1:${hub.port}` }];
  const fleet = new Fleet(store.target, { hubs }, SILENT);
  await fleet.list();
  date = fleet.states[0]!.today;
  await fleet.day(date);
  fleet.wake();
  await answered(
    async () => (await fleet.day(date))?.count,
    (count) => count === 1,
  );
  // It can be saved, too.
  expect(await fleet.isThere(date, `north:${name()}`)).toBe(true);
  store.images("north", date, [name()]);
  const beganMs = performance.now();
  using image = await fleet.image(date, `north:${name()}`);
  expect(image.bytes).toBe(name().length);
  expect(performance.now() - beganMs).toBeLessThan(5000);
  fleet.rest();
  void hub.stop(true);
});

test("an object that the store cannot give hides nothing else", async () => {
  using store = refusing({ status: 500, code: "InternalError" });
  const said: string[] = [];
  const log = { info: (text: string) => said.push(text), warn: (text: string) => said.push(text) };
  const fleet = new Fleet(store.target, { hubs: [] }, log);
  await fleet.list();
  const read = async (camera: string): Promise<unknown> =>
    await fleet.image(DAY, `north:${imageName(camera)}`).catch(messageOf);
  const refused = read("Barn");
  // It is tried twice.
  await Bun.sleep(50);
  await fleet.refresh();
  expect(await refused).toContain("cannot do it now");
  expect(await read("Gate")).toMatchObject({ bytes: imageName("Gate").length });
  expect(fleet.store.problem).toBeUndefined();
  expect(said).toEqual([]);
});

test("images in no manifest are there in the last two days of a hub that is gone", async () => {
  using store = new MemoryStore();
  store.hub("north");
  const dates = [0, 1, 2].map((age) => daysAfter(DAY, age));
  for (const date of dates) {
    store.finished("north", date, [imageName("Barn", date)]);
    // Its clock was set back, and it went on in days that it had finished.
    store.images("north", date, [imageName("Barn", date, "11.00.00.000000")]);
  }
  const fleet = fleetOf(store);
  const counts = await Promise.all(dates.map(async (date) => (await fleet.day(date))?.count));
  expect(counts).toEqual([1, 2, 2]);
});
