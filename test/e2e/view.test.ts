/** The page of many hubs, from a bucket of a real S3 store, of whole hubs that copy into it. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lacks, PARTS, type Program } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import type { Camera, Days, HubEvent, ImageList } from "../../src/page/answers.ts";
import { serverSentEvents } from "../../src/net/server-sent-events.ts";
import { Bucket } from "../../src/s3/bucket.ts";
import type { Target } from "../../src/s3/target.ts";
import { closeBrowser, type Look, Viewer } from "../page/browser.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { keysIn, replicateTo } from "../support/hub/replica.ts";
import { View } from "../support/hub/view.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Ceph, makeBucket } from "../support/peers/ceph.ts";
import { readJournal, Sender } from "../support/peers/sender.ts";
import { StoreLink } from "../support/peers/store-link.ts";
import { BARN } from "./stored.ts";

setDefaultTimeout(120_000);

const NATIVE: Program = process.arch === "arm64" ? "arm64" : "x64";

const ZONES = { north: "Etc/GMT-3", south: "Etc/GMT+1" } as const;

type Name = keyof typeof ZONES;

/** A hub. The disk of south may die, so it answers when the bucket has an image. */
async function hubFor(target: Target, name: Name): Promise<Hub> {
  return await startHub({
    program: NATIVE,
    env: WITH_HTTP,
    timezone: ZONES[name],
    settings: {
      hub: {
        ack: name === "south" ? "replicated" : "stored",
        replicate: replicateTo(target, { name }),
      },
    },
  });
}

/** Sends images and an event, and waits until all are in the bucket. */
async function fill(target: Target, name: Name, hub: Hub, count: number): Promise<void> {
  await using sender = new Sender(hub.port);
  for (let index = 0; index < count; index++)
    expect((await sender.jpg(`Barn ${index % 2}|jpg|`, { file: BARN })).reply).toBe("OK");
  expect((await sender.event(`Gate|of|${name}`)).reply).toBe("OK");
  await answered(
    async () => (await statusOf(hub)).replication,
    (now) => now?.images === count && now.waiting_images === 0,
  );
  await answered(
    async () => await keysIn(target, `${name}/logs/`),
    (keys) => keys.length > 0,
  );
}

/** All images of a day, with the hash of each. */
async function imagesOf(view: View, date: string): Promise<Map<string, string>> {
  const { images } = await view.json<ImageList>(`days/${date}/images?limit=1000`);
  const times = images.map(({ time }) => time);
  expect(times).toEqual(times.toSorted());
  const found = images.map(async ({ name }) => {
    const path = `${view.url}/api/v1/days/${date}/images/${encodeURIComponent(name)}`;
    return [name, Bun.SHA256.hash(await (await fetch(path)).bytes(), "hex")] as const;
  });
  return new Map(await Promise.all(found));
}

/** The same from the disk of a hub. */
function storedBy(name: Name, hub: Hub, date: string): Map<string, string> {
  const own = hub.images().filter(({ folder }) => folder === date);
  return new Map(own.map((each) => [`${name}:${each.name}`, Bun.SHA256.hash(each.bytes, "hex")]));
}

const byName = (images: Iterable<readonly [string, string]>): (readonly [string, string])[] =>
  [...images].toSorted(([a], [b]) => (a < b ? -1 : 1));

describe.skipIf(lacks("ceph", "python", ...PARTS[NATIVE]))("a view of many hubs", () => {
  let store: Ceph;
  beforeAll(async () => {
    store = await Ceph.start();
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
    await closeBrowser();
  });

  test("shows all that is in the bucket, also of a hub whose disk is gone", async () => {
    const target = await makeBucket(store.address);
    await using north = await hubFor(target, "north");
    await using south = await hubFor(target, "south");
    await Promise.all([fill(target, "north", north, 6), fill(target, "south", south, 5)]);
    const settings = { view: { hubs: [{ name: "north", url: httpOf(north) }] } };
    await using view = await View.start(target, { program: NATIVE, settings });
    const list = await view.json<Days>("days");
    expect(list).toMatchObject({ zone: ZONES.north, today: north.today() });
    expect(list.hubs).toMatchObject([
      { name: "north", zone: ZONES.north, today: north.today() },
      { name: "south", zone: ZONES.south, today: south.today(), live: null },
    ]);
    const dates = [...new Set([north.today(), south.today()])];
    const stored = (): [string, string][] =>
      dates.flatMap((date) => [
        ...storedBy("north", north, date),
        ...storedBy("south", south, date),
      ]);
    const shown = async (at: View): Promise<(readonly [string, string])[]> => {
      const days = await Promise.all(dates.map(async (date) => await imagesOf(at, date)));
      return byName(days.flatMap((images) => Array.from(images)));
    };
    const before = byName(stored());
    expect(before).toHaveLength(11);
    expect(await shown(view)).toEqual(before);
    const { cameras } = await view.json<{ cameras: Camera[] }>("cameras");
    expect(cameras.map(({ name, imagesToday }) => [name, imagesToday])).toEqual([
      ["north:Barn-0", 3],
      ["north:Barn-1", 3],
      ["south:Barn-0", 3],
      ["south:Barn-1", 2],
    ]);
    const found = await view.json<{ events: HubEvent[] }>("events?text=gate");
    expect(found.events).toHaveLength(2);
    expect(new Set(found.events.map(({ node, value }) => `${node} ${value}`))).toEqual(
      new Set(["north:Gate north", "south:Gate south"]),
    );

    // What north stores from now on comes by itself, and can be looked at before it is copied.
    await answered(
      async () => (await view.json<Days>("days")).hubs?.[0]?.live,
      (live) => live === true,
    );
    const stream = await fetch(`${view.url}/api/v1/live?only=image,event`);
    {
      await using sender = new Sender(north.port);
      await sender.event("Gate|n|live");
      await sender.jpg("New Cam|jpg|", { file: BARN });
    }
    const told: [string, Record<string, unknown>][] = [];
    for await (const { event, data } of serverSentEvents(stream.body!)) {
      if (event !== "start") told.push([event, JSON.parse(data) as Record<string, unknown>]);
      if (told.length === 2) break;
    }
    const image = told.find(([event]) => event === "image")![1];
    expect(told.find(([event]) => event === "event")![1]).toMatchObject({ node: "north:Gate" });
    expect(image).toMatchObject({ camera: "north:New-Cam", date: north.today() });
    const path = `${view.url}/api/v1/days/${String(image["date"])}/images/${String(image["name"])}`;
    expect(Buffer.from(await (await fetch(path)).bytes())).toEqual(readFileSync(BARN));

    // Nothing can be changed here.
    const body = JSON.stringify({ images: [[image["date"], image["name"]]], protect: true });
    const headers = { "content-type": "application/json" };
    const [status, text] = await get(`${view.url}/api/v1/protect`, {
      method: "POST",
      body,
      headers,
    });
    expect([status, text]).toEqual([403, expect.stringContaining("only shows")]);
    const [, metrics] = await get(`${view.url}/metrics`);
    expect(metrics).toMatch(/imagehub_view_store_calls_total\{kind="list"\} \d+\n/);
    expect(metrics).toContain('imagehub_view_hub_live{hub="north"} 1\n');

    // South is gone for good, while a camera sends as fast as it can.
    const kept = stored();
    using home = tempDir();
    const journal = join(home.path, "sent.jsonl");
    writeFileSync(journal, "");
    await using camera = new Sender(south.port);
    const load = { msg: "Meadow|jpg", count: 100_000, size: 5000, seed: 1, journal };
    // It ends when the hub does not answer.
    void camera.load(load).catch(() => undefined);
    await answered(
      async () => readJournal(journal).length,
      (sent) => sent >= 20,
    );
    await south.kill();
    rmSync(south.dataDir, { recursive: true });
    const promised = readJournal(journal).filter(({ reply }) => reply === "OK");
    expect(promised.length).toBeGreaterThan(0);
    await answered(
      async () => (await keysIn(target, "north/images/")).length,
      (count) => count === 7,
    );
    await using other = await View.start(target, { program: NATIVE });
    const left = await shown(other);
    expect(left).toEqual(expect.arrayContaining(kept));
    const sums = new Set(left.map(([, sum]) => sum));
    expect(promised.filter(({ sha256 }) => !sums.has(sha256))).toEqual([]);
    expect(await other.stop()).toBe(EXIT.ok);
    expect(await view.stop()).toBe(EXIT.ok);
  });

  test("says why it shows nothing", async () => {
    const target = await makeBucket(store.address);
    const wrong = await Promise.all([
      View.start({ ...target, secretKey: "WRONG" }),
      View.start({ ...target, bucket: "nowhere" }),
      View.start(target, { settings: { replicate: {} } }),
    ]);
    const said = ["does not accept the secret key", "There is no bucket", "endpoint is not set"];
    for (const [index, view] of wrong.entries()) {
      expect([view.url, view.output()]).toEqual(["", expect.stringContaining(said[index]!)]);
      expect(await view.stop()).toBe(index === 2 ? EXIT.config : EXIT.refused);
      await view[Symbol.asyncDispose]();
    }
    using home = tempDir();
    const file = join(home.path, "token");
    const token = "0123456789abcdef";
    writeFileSync(file, token, { mode: 0o600 });
    const http = { listen: "127.0.0.1:0", token_file: file };
    await using empty = await View.start(target, { settings: { http } });
    expect(empty.output()).toContain("No hub has copied anything");
    const list = `${empty.url}/api/v1/days`;
    expect((await get(list))[0]).toBe(401);
    const [status, text] = await get(list, { headers: { Authorization: `Bearer ${token}` } });
    expect([status, JSON.parse(text)]).toMatchObject([200, { days: [], hubs: [] }]);
  });

  describe.skipIf(lacks("browser"))("in a browser", () => {
    test.each<readonly [string, Look]>([
      ["wide", {}],
      ["on a phone", { isPhone: true, isDark: true }],
    ])("says whose time it is, and offers nothing that changes a hub, %s", async (_, look) => {
      const target = await makeBucket(store.address);
      await putDay(target, "north", "Europe/Berlin");
      await putDay(target, "south", "America/New_York");
      await using link = await StoreLink.start(store.port);
      await using view = await View.start({ ...target, endpoint: new URL(link.endpoint) });
      await using viewer = await Viewer.open(view.url, `#/day/${DAY}?at=10:00`, look);
      const { page, problems } = viewer;
      await page.getByText("4 images").first().waitFor();
      const hubs = page.getByRole("region", { name: "Hubs" });
      await hubs.getByText(/north \d\d:\d\d \(Europe\/Berlin\), from the bucket/).waitFor();
      await hubs.getByText(/south \d\d:\d\d \(America\/New_York\), from the bucket/).waitFor();
      expect(await viewer.axe()).toEqual([]);
      await page.getByRole("button", { name: "Select" }).click();
      await page.getByRole("button", { name: "ZIP" }).waitFor();
      expect(await page.getByRole("button", { name: "rotect" }).count()).toBe(0);
      await page.goto(`${view.url}/#/day/${DAY}/south:Barn-${DAY}T10.01.00.000000.jpg`);
      await page.getByText("at south (America/New_York)").waitFor();
      await page.locator(".stage img").and(page.locator(":not([hidden])")).waitFor();
      expect(await page.getByRole("button", { name: "rotect" }).count()).toBe(0);
      const saved = page.waitForEvent("download");
      await page.getByRole("link", { name: "Download" }).click();
      expect((await saved).suggestedFilename()).toBe(`south-Barn-${DAY}T10.01.00.000000.jpg`);
      await page.goto(`${view.url}/#/calendar`);
      await page.locator("a.date", { hasText: "4" }).first().waitFor();
      expect(await page.locator(".disk, .legend").count()).toBe(0);
      expect(problems).toEqual([]);
      // Without the store, what is in memory is still shown, and the page says why no more comes.
      link.become("refuse");
      const other = `days/${DAY}/images/north:Barn-${DAY}T11.00.00.000000.jpg`;
      expect((await get(`${view.url}/api/v1/${other}`))[0]).toBe(503);
      await page.getByText("The bucket cannot be read").waitFor();
      await page.goto(`${view.url}/#/day/${DAY}`);
      await page.getByText("4 images").first().waitFor();
    });
  });
});

const DAY = "2021-09-23";

/** Puts a day of a hub that is gone: two images, and nothing that says how many. */
async function putDay(target: Target, hub: string, zone: string): Promise<void> {
  const bucket = new Bucket(target);
  const put = async (path: string, body: Uint8Array<ArrayBuffer>): Promise<unknown> =>
    await bucket.put(`${hub}/${path}`, { body, contentType: "image/jpeg" });
  await put("hub.json", new TextEncoder().encode(JSON.stringify({ id: hub, time_zone: zone })));
  for (const minute of [0, 1])
    await put(`images/${DAY}/Barn-${DAY}T10.0${minute}.00.000000.jpg`, readFileSync(BARN));
}
