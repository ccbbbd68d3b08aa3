/**
 * The images of one hub: those of days that are over from their manifests, those of open days from
 * a list that goes on where it ended.
 *
 * @module
 */

import { IMAGES, parseMember } from "../archive/layout.ts";
import { sumsIn } from "../archive/manifest.ts";
import { daysAfter } from "../protocol/calendar.ts";
import { manifestPath } from "../replicate/layout.ts";
import { timeIn, timeText } from "../view/query.ts";
import { Held } from "./held.ts";
import { HubDay } from "./hub-day.ts";
import type { HubFolder } from "./hub-folder.ts";
import { camerasOf, listDay } from "./ranges.ts";

/** How often an open day is looked at for new images while somebody looks, in milliseconds. */
const LOOK_MS = 10_000;

/** How often all of it is listed, in milliseconds: some images come late. */
const LIST_MS = 5 * 60_000;

/** So many times as seldom if the day was before yesterday: the hub is away, or gone. */
const OLD_TIMES = 12;

/** Images that are copied beside each other may come in another order, in microseconds apart. */
const DISORDER_MICROS = 120e6;

const DAY_MICROS = 86_400e6;

/** Who asks waits so long for what is new, in milliseconds. Then it sees what was known. */
const WAIT_MS = 1500;

/** Most cameras that are asked for in one look. The others follow in the next. */
const CAMERAS_MAX = 32;

/** Names that are taken in before others have a turn. */
const SLICE = 10_000;

/** How many images may be in memory, over all hubs and days. One takes some 150 bytes. */
const IMAGES_MAX = 1_000_000;

/** Room for the days of all hubs. */
export function roomForImages(): Held<HubDay> {
  return new Held(({ count }) => count, IMAGES_MAX);
}

/** How many images there are. */
export interface ImageCount {
  readonly images: number;
  readonly bytes: number;
  readonly cameras: readonly {
    readonly name: string;
    readonly images: number;
    readonly bytes: number;
  }[];
}

/** The days of one hub. */
export class HubImages {
  /** Of days that have no summary, and need not be in memory. */
  private readonly counted = new Map<string, ImageCount>();
  private turn = 0;

  /**
   * @param days of all hubs
   * @param isTold whether the hub itself tells what is new today
   * @param onFound is told images that were not there when the day was read first
   */
  constructor(
    private readonly folder: HubFolder,
    private readonly days: Held<HubDay>,
    private readonly isTold: () => boolean,
    private readonly onFound: (date: string, name: string) => void,
  ) {}

  /** A day that is in memory. */
  known(date: string): HubDay | undefined {
    return this.days.get(this.folder.name, date);
  }

  /**
   * A day. If the store cannot be asked, as it was known.
   *
   * @returns undefined if there are no images
   */
  async of(date: string): Promise<HubDay | undefined> {
    const { folder } = this;
    // Tomorrow has begun elsewhere: who has asked for it is told its first images here, too.
    const isNow = date === folder.today || date === daysAfter(folder.today, 1);
    const isOpen = isNow || folder.days.get(date)?.hasImages === true;
    if (!isOpen && !folder.isFinished(date)) return undefined;
    const day = this.days.use(folder.name, date, () => new HubDay(folder.name, date));
    const fresh = this.refresh(day);
    if (day.readMs === Number.NEGATIVE_INFINITY) {
      try {
        await fresh;
      } catch (error) {
        if (day.count === 0) this.days.drop(folder.name, date, day);
        throw error;
      }
    } else await Promise.race([fresh.catch(() => undefined), Bun.sleep(WAIT_MS)]);
    return day.count === 0 ? undefined : day;
  }

  /** How many images a day has; undefined if that is not known. */
  countOf(date: string): ImageCount | undefined {
    const day = this.known(date);
    const isRead = day !== undefined && day.readMs > Number.NEGATIVE_INFINITY;
    // Manifests have no sizes.
    return isRead && day.manifests === "" ? inNumbers(day) : this.counted.get(date);
  }

  /** Counts the images of a day, so that {@link countOf} knows it. */
  async count(date: string): Promise<void> {
    const { folder } = this;
    if (date === folder.today) await this.of(date);
    else if (!this.counted.has(date)) {
      const day = new HubDay(folder.name, date);
      await this.list(day, () => {});
      this.counted.set(date, inNumbers(day));
    }
  }

  /** Takes in an image of which the hub tells. @returns whether it is new */
  add(date: string, name: string): boolean {
    return this.known(date)?.add(name, undefined) ?? true;
  }

  /** Has all of a day listed again: some may have been missed. */
  doubt(date: string): void {
    const day = this.known(date);
    if (day !== undefined) day.readMs = Math.min(day.readMs, performance.now() - LIST_MS);
  }

  /** Reads what may be new. Those who ask meanwhile wait for the same. */
  private async refresh(day: HubDay): Promise<void> {
    await (day.reading ??= this.read(day).finally(() => (day.reading = undefined)));
  }

  private async read(day: HubDay): Promise<void> {
    const { folder } = this;
    const isFirst = day.readMs === Number.NEGATIVE_INFINITY;
    const tell = (name: string): void => {
      if (!isFirst) this.onFound(day.date, name);
    };
    const nowMs = performance.now();
    if (folder.isSettled(day.date)) return await this.readManifests(day, tell);
    const isTold = this.isTold() && day.date === folder.today;
    const patience = day.date < daysAfter(folder.today, -1) ? OLD_TIMES : 1;
    if (nowMs - day.readMs >= LIST_MS * patience) await this.list(day, tell);
    else if (!isTold && nowMs - day.lookedMs >= LOOK_MS * patience) await this.look(day, tell);
  }

  private async readManifests(day: HubDay, tell: (name: string) => void): Promise<void> {
    const { keys, store, days } = this.folder;
    const { date } = day;
    const numbers = [...(days.get(date)?.manifests ?? [])].toSorted((a, b) => a - b);
    const manifests = numbers.join();
    if (day.manifests === manifests) return;
    const texts = await Promise.all(
      numbers.map(async (number) => store.text(keys.of(manifestPath(date, number)))),
    );
    const sums = texts.map((text) => sumsIn(text ?? "", date));
    // A damaged one says nothing, but a list does.
    if (sums.some((each) => each === undefined)) await this.list(day, tell);
    let count = 0;
    const paths = sums.flatMap((each) => Array.from(each?.keys() ?? []));
    for (const path of paths) {
      const member = parseMember(path, date);
      if (member?.part !== IMAGES) continue;
      if (day.add(member.name, 0)) tell(member.name);
      if (++count % SLICE === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    day.manifests = manifests;
    day.readMs = performance.now();
  }

  /** Lists all of a day. */
  private async list(day: HubDay, tell: (name: string) => void): Promise<void> {
    const { folder } = this;
    const { date } = day;
    const prefix = folder.keys.imagesOf(date);
    const until = date === folder.today ? timeIn(folder.now.slice(11)) : DAY_MICROS;
    const beganMs = performance.now();
    await listDay({ store: folder.store, prefix, date, until }, ({ key, size }) => {
      const name = key.slice(prefix.length);
      if (day.add(name, size)) tell(name);
    });
    day.readMs = day.lookedMs = beganMs;
  }

  /** Lists what each camera has after its last image, and all of a camera that is new. */
  private async look(day: HubDay, tell: (name: string) => void): Promise<void> {
    const { keys, store } = this.folder;
    const folder = keys.imagesOf(day.date);
    const beganMs = performance.now();
    const found = await camerasOf({ store, prefix: folder, date: day.date });
    const all = new Set([...day.cameras.keys(), ...found]);
    const { turn } = this;
    this.turn = all.size > CAMERAS_MAX ? (turn + CAMERAS_MAX) % all.size : 0;
    const cameras = [...all]
      .slice(turn)
      .concat([...all].slice(0, turn))
      .slice(0, CAMERAS_MAX);
    await Promise.all(
      cameras.map(async (camera) => {
        const prefix = `${folder}${camera}-${day.date}T`;
        const listedMicros = day.cameras.get(camera)?.listedMicros ?? 0;
        const since = timeText(Math.max(0, listedMicros - DISORDER_MICROS));
        const startAfter = prefix + since.slice(0, 8).replaceAll(":", ".");
        for await (const { objects } of store.list({ prefix, startAfter }))
          for (const { key, size } of objects) {
            const name = key.slice(folder.length);
            if (day.add(name, size)) tell(name);
          }
      }),
    );
    day.lookedMs = beganMs;
  }
}

function inNumbers(day: HubDay): ImageCount {
  const cameras = Array.from(day.cameras.values(), ({ name, images, bytes }) => {
    return { name, images, bytes };
  });
  return { images: day.count, bytes: cameras.reduce((sum, each) => sum + each.bytes, 0), cameras };
}
