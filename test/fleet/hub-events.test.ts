/** Events that a hub tells, and that are in the bucket some seconds later. */

import { expect, test } from "bun:test";
import { HubEvents, ofHub, roomForLogs } from "../../src/fleet/hub-events.ts";
import { HubFolder } from "../../src/fleet/hub-folder.ts";
import { Store } from "../../src/fleet/store.ts";
import type { HubEvent } from "../../src/page/answers.ts";
import { eventOf } from "../../src/view/events.ts";
import { Clock } from "../support/machine/clock.ts";
import { MemoryStore } from "../support/peers/memory-store.ts";

test("an event is there once, and told once, also if the hub's clock was set back", async () => {
  using store = new MemoryStore();
  store.hub("north");
  const folder = new HubFolder("north", new Store(store.target));
  await folder.refresh();
  const { today } = folder;
  const found: string[] = [];
  const events = new HubEvents(folder, roomForLogs(), ({ time }) => found.push(time));
  const event = (time: string): HubEvent =>
    ofHub("north", eventOf(today, `${time},000`, "Gate|door|open"));
  let place = 0;
  const copy = (...all: string[]): void => {
    const lines = all.map((time) => `${today} ${time},000 ~ Gate|door|open\n`).join("");
    store.objects.set(`north/logs/${today}/${String(place).padStart(12, "0")}`, lines);
    place += lines.length;
  };
  const times = async (): Promise<string[]> =>
    (await events.of(today)).map(({ time }) => time.slice(0, 8));
  using clock = new Clock();
  copy("02:59:57");
  expect(await times()).toEqual(["02:59:57"]);

  // The hour comes once more.
  for (const time of ["02:59:58", "02:00:01"]) expect(events.add(event(time))).toBe(true);
  expect(await times()).toEqual(["02:59:57", "02:59:58", "02:00:01"]);
  copy("02:59:58", "02:00:01");
  clock.goOn(6000);
  expect(await times()).toEqual(["02:59:57", "02:59:58", "02:00:01"]);
  expect(found).toEqual([]);

  // While the hub cannot be reached, the bucket tells. Then the hub tells all since.
  copy("02:00:02");
  clock.goOn(6000);
  expect(await times()).toEqual(["02:59:57", "02:59:58", "02:00:01", "02:00:02"]);
  expect(found).toEqual(["02:00:02,000"]);
  expect(events.add(event("02:00:02"))).toBe(false);
  expect(await times()).toEqual(["02:59:57", "02:59:58", "02:00:01", "02:00:02"]);
});

test("lines that come to a finished day are there in the last two days of a hub", async () => {
  using store = new MemoryStore();
  store.hub("north");
  const dates = ["2021-09-23", "2021-09-24", "2021-09-25"];
  for (const date of dates) {
    const line = `${date} 23:00:00,000 ~ Gate|door|open\n`;
    const name = `Barn-${date}T10.00.00.000000.jpg`;
    store.finished("north", date, [name]);
    store.objects.set(`north/logs/${date}/000000000000`, line);
    store.objects.set(`north/logs/imagehub.log.${date}`, line);
    // The clock was set back, and the hub went on.
    const place = String(line.length).padStart(12, "0");
    store.objects.set(`north/logs/${date}/${place}`, line.replace("open", "shut"));
  }
  const folder = new HubFolder("north", new Store(store.target));
  await folder.refresh();
  const events = new HubEvents(folder, roomForLogs(), () => undefined);
  const values = await Promise.all(
    dates.map(async (date) => (await events.of(date)).map(({ value }) => value)),
  );
  expect(values).toEqual([["open"], ["open", "shut"], ["open", "shut"]]);
});
