/**
 * Many hubs as what people look at: their folders in a bucket, and those of them that can be
 * reached. While nobody looks, nothing is asked.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { FILE_NAME_BYTES_MAX } from "../limits.ts";
import type { Log } from "../log/log.ts";
import type { Camera, Days, HubEvent, ViewedHub } from "../page/answers.ts";
import { parseImageFileName } from "../protocol/names.ts";
import type { Target } from "../s3/target.ts";
import type { DayIndex } from "../view/day-index.ts";
import { Live } from "../view/live.ts";
import { Refused } from "../view/query.ts";
import type { EventLog, Source, StoredFile } from "../view/source.ts";
import { Calendar } from "./calendar.ts";
import { FleetDays } from "./fleet-days.ts";
import { FleetHub } from "./hub.ts";
import { roomForLogs } from "./hub-events.ts";
import { roomForImages } from "./hub-images.ts";
import { ImageCache } from "./image-cache.ts";
import { isHubName, split } from "./name.ts";
import { Store, Withheld } from "./store.ts";
import { Zone } from "./zone.ts";

/** How often it is looked for new days and hubs while somebody looks, in milliseconds. */
const REFRESH_MS = 60_000;

/** How often it is looked for new images and events while somebody looks, in milliseconds. */
const LOOK_MS = 10_000;

/** For so long after the last question somebody looks, in milliseconds. */
const LOOKING_MS = 30_000;

/** How long who asks waits for what is new, in milliseconds. */
const WAIT_MS = 1500;

/** Images that are read from the store at a time, to make thumbnails of them. */
const READ_AHEAD = 8;

/** All hubs of a bucket. */
export class Fleet implements Source {
  readonly live = new Live();
  readonly thumbnails = { readAhead: READ_AHEAD, isElsewhere: true };
  readonly store: Store;
  private hubs: readonly FleetHub[] = [];
  private readonly rooms = { images: roomForImages(), logs: roomForLogs() };
  private readonly days = new FleetDays();
  private readonly calendar = new Calendar();
  private readonly cache = new ImageCache();
  private refreshedMs = Number.NEGATIVE_INFINITY;
  private refreshing: Promise<void> | undefined;
  private askedMs = Number.NEGATIVE_INFINITY;
  private timer: Timer | undefined;

  constructor(
    target: Target,
    private readonly settings: Settings["view"],
    private readonly log: Pick<Log, "info" | "warn">,
  ) {
    this.store = new Store(target, () => this.storeChanged());
  }

  /** All hubs, in alphabetical order. */
  get states(): readonly ViewedHub[] {
    return this.hubs.map(({ state }) => state);
  }

  /** Looks which hubs and days there are. Rejects with a `StoreError`. */
  async refresh(): Promise<void> {
    this.refreshing ??= this.readHubs().finally(() => (this.refreshing = undefined));
    await this.refreshing;
  }

  async list(): Promise<Days> {
    await this.fresh();
    const { calendar, hubs } = this;
    const days = await calendar.of(hubs);
    const first = this.ahead;
    const { now, today, zone } = first ?? here();
    return { zone, now, today, days, hubs: this.states };
  }

  async cameras(): Promise<readonly Camera[]> {
    await this.fresh();
    const all = await Promise.all(this.hubs.map(async (hub) => hub.cameras()));
    return all.flat().toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async day(date: string): Promise<DayIndex | undefined> {
    await this.fresh();
    return await this.days.of(date, this.hubs);
  }

  async image(date: string, name: string): Promise<StoredFile> {
    await this.fresh();
    const { hub, own } = this.ownerOf(date, name);
    const read = this.cache.of(`${date} ${name}`, async () => hub.image(date, own));
    const bytes = await read.catch((error: unknown) => {
      if (error instanceof Withheld) throw new Refused(404, error.message);
      throw error;
    });
    if (bytes === undefined) throw new Refused(404, "There is no such image in the bucket");
    const { micros } = parseImageFileName(own, date)!;
    return {
      name,
      bytes: bytes.byteLength,
      modifiedMs: hub.folder.zone.instantOf(date, micros),
      // What is in a bucket is never overwritten.
      tag: `"${bytes.byteLength.toString(36)}-${Bun.hash(name).toString(36)}"`,
      // A copy, as what is cached must stay.
      read: (from = 0, length = bytes.byteLength - from) => bytes.slice(from, from + length),
      [Symbol.dispose]: () => {},
    };
  }

  async isThere(date: string, name: string): Promise<boolean> {
    await this.fresh();
    try {
      const { hub, own } = this.ownerOf(date, name);
      return await hub.isThere(date, own);
    } catch (error) {
      if (error instanceof Refused) return false;
      throw error;
    }
  }

  protectedOf(): ReadonlySet<string> {
    return new Set();
  }

  async protect(): Promise<never> {
    throw new Refused(
      403,
      "This page only shows what is in a bucket: protect an image at the hub that has stored it",
    );
  }

  async eventsOf(date: string): Promise<readonly HubEvent[]> {
    await this.fresh();
    const all = await Promise.all(this.hubs.map(async ({ events }) => events.of(date)));
    const some = all.filter(({ length }) => length > 0);
    if (some.length === 1) return some[0]!;
    return some.flat().toSorted((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)));
  }

  async logs(first: string, last: string): Promise<readonly EventLog[]> {
    await this.fresh();
    const { hubs } = this;
    const dates = new Set(hubs.flatMap(({ folder }) => datesWithLogs(folder)));
    const meant = [...dates].filter((date) => first <= date && date <= last);
    return meant
      .toSorted()
      .toReversed()
      .map((date) => ({
        name: date,
        size: hubs.reduce((sum, { events }) => sum + events.sizeOf(date), 0),
        lines: async () => {
          const events = await this.eventsOf(date);
          return { count: events.length, at: (index: number) => events[index] };
        },
      }));
  }

  /** Not all systems have files with a colon in their names. */
  fileName(name: string): string {
    return name.replace(":", "-");
  }

  explain(error: unknown): string {
    return `The bucket cannot be read: ${messageOf(error)}`;
  }

  wake(): void {
    this.askedMs = performance.now();
    for (const hub of this.hubs) hub.start();
    this.timer ??= setInterval(() => void this.look(), LOOK_MS);
  }

  rest(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    for (const hub of this.hubs) hub.stop();
    for (const room of Object.values(this.rooms)) room.clear();
    this.days.clear();
    this.cache.clear();
  }

  /** The hub whose clock is ahead of all others. */
  private get ahead(): ViewedHub | undefined {
    return this.states.toSorted((a, b) => (a.now < b.now ? 1 : -1))[0];
  }

  /** Sees to it that hubs and days are known, and not for too long. */
  private async fresh(): Promise<void> {
    if (performance.now() - this.refreshedMs < REFRESH_MS) return;
    const refreshed = this.refresh();
    if (this.refreshedMs === Number.NEGATIVE_INFINITY) await refreshed;
    // If that takes long, or fails, what was known is shown.
    else await Promise.race([refreshed.catch(() => undefined), Bun.sleep(WAIT_MS)]);
  }

  private async readHubs(): Promise<void> {
    const names: string[] = [];
    for await (const { prefixes } of this.store.list({ prefix: "", delimiter: "/" }))
      names.push(...prefixes.map((prefix) => prefix.slice(0, -1)).filter(isHubName));
    const known = new Map(this.hubs.map((hub) => [hub.name, hub]));
    const all = names.map((name) => known.get(name) ?? this.makeHub(name));
    const isHub = await Promise.all(all.map(async ({ folder }) => folder.refresh()));
    const hubs = all.filter((_, index) => isHub[index]);
    for (const hub of this.hubs) if (!hubs.includes(hub)) hub.stop();
    const isChange = hubs.length !== this.hubs.length || hubs.some(({ name }) => !known.has(name));
    this.hubs = hubs;
    this.refreshedMs = performance.now();
    if (this.timer !== undefined) for (const hub of hubs) hub.start();
    if (isChange) this.live.tell("hubs", this.states);
  }

  private makeHub(name: string): FleetHub {
    const settings = this.settings.hubs.find((each) => each.name === name);
    return new FleetHub(name, this.store, this.rooms, settings, {
      image: (image) => {
        this.days.add(image);
        this.live.tell("image", image, image.camera);
      },
      event: (event) => this.live.tell("event", event),
      node: (node) => this.live.tell("camera", node),
      changed: ({ name: hub, live }, problem) => {
        if (live === true) this.log.info(`The hub ${hub} tells what it stores`);
        else this.log.warn(`The hub ${hub} is not followed: ${problem}`);
        this.live.tell("hubs", this.states);
      },
    });
  }

  /** Looks for what is new, if somebody looks. */
  private async look(): Promise<void> {
    if (!this.live.isHeard && performance.now() - this.askedMs > LOOKING_MS) return;
    try {
      await this.fresh();
      await Promise.all(this.hubs.map(async (hub) => hub.look()));
    } catch {
      // It is said on the page, and tried again.
    }
  }

  /** @throws {Refused} if no hub has this image */
  private ownerOf(date: string, name: string): { readonly hub: FleetHub; readonly own: string } {
    const parts = split(name);
    const hub = this.hubs.find((each) => each.name === parts?.hub);
    if (hub === undefined || parts === undefined || !isImage(parts.name, date))
      throw new Refused(404, "There is no such image: names here are as north:Barn-…");
    return { hub, own: parts.name };
  }

  private storeChanged(): void {
    const { problem } = this.store;
    if (problem === undefined) this.log.info(`The bucket ${this.store.place} can be read again`);
    else this.log.warn(`The bucket cannot be read: ${problem}`);
    const reasons = problem === undefined ? [] : [`The bucket cannot be read: ${problem}`];
    this.live.tell("hub", { healthy: reasons.length === 0, reasons, notices: [] });
  }
}

/** A key has parts between slashes. No file has a longer name. */
function isImage(name: string, date: string): boolean {
  const isFile = !name.includes("/") && Buffer.byteLength(name) <= FILE_NAME_BYTES_MAX;
  return isFile && parseImageFileName(name, date) !== undefined;
}

function datesWithLogs({ days, today }: FleetHub["folder"]): string[] {
  const found = [...days].flatMap(([date, { logBytes, hasSegments }]) =>
    logBytes !== undefined || hasSegments ? [date] : [],
  );
  // Its first lines may have come since the days were listed.
  return [...found, today];
}

/** The time here, if no hub is known. */
function here(): Pick<ViewedHub, "zone" | "now" | "today"> {
  const zone = new Zone(undefined);
  const now = zone.at(Date.now());
  return { zone: zone.name, now, today: now.slice(0, 10) };
}
