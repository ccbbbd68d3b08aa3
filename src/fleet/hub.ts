/**
 * One hub in the view of many: its folder in the bucket, and the hub itself if it can be reached.
 *
 * @module
 */

import type { Camera, HubEvent, LiveImage, LiveNode, ViewedHub } from "../page/answers.ts";
import { daysAfter } from "../protocol/calendar.ts";
import { parseImageFileName } from "../protocol/names.ts";
import { timeText } from "../view/query.ts";
import type { Held } from "./held.ts";
import type { HubDay } from "./hub-day.ts";
import { type DayLog, HubEvents, ofHub } from "./hub-events.ts";
import { HubFolder } from "./hub-folder.ts";
import { HubImages } from "./hub-images.ts";
import { IMAGE_BYTES_MAX, LiveHub, type LiveHubSettings } from "./live-hub.ts";
import { joined } from "./name.ts";
import { type Store, Withheld } from "./store.ts";

/** How many days with images are searched for a camera. */
const CAMERA_DAYS = 7;

/** A hub that has not given an image after so long may be slow; the bucket is asked, too. In ms. */
const HUB_MS = 1000;

/** Who is told what is new. Names have that of the hub. */
export interface FleetListener {
  image(image: LiveImage): void;
  event(event: HubEvent): void;
  node(node: LiveNode): void;
  changed(hub: ViewedHub, problem: string | undefined): void;
}

/** What is in memory, over all hubs. */
export interface Rooms {
  readonly images: Held<HubDay>;
  readonly logs: Held<DayLog>;
}

/** One hub. */
export class FleetHub {
  readonly folder: HubFolder;
  readonly images: HubImages;
  readonly events: HubEvents;
  private readonly live: LiveHub | undefined;

  /** @param settings of the hub itself; undefined if it is not followed */
  constructor(
    readonly name: string,
    private readonly store: Store,
    rooms: Rooms,
    settings: LiveHubSettings | undefined,
    private readonly listener: FleetListener,
  ) {
    this.folder = new HubFolder(name, store);
    this.images = new HubImages(
      this.folder,
      rooms.images,
      () => this.isTold,
      (date, image) => this.found(date, image),
    );
    this.events = new HubEvents(this.folder, rooms.logs, (event) => {
      if (!this.isTold) listener.event(event);
    });
    this.live = settings && new LiveHub(settings, this.hearing());
  }

  /** As the page shows it. */
  get state(): ViewedHub {
    const { name, folder, live } = this;
    const { now, today, zone } = folder;
    return { name, zone: zone.name, now, today, live: live === undefined ? null : live.isLive };
  }

  /** Begins to follow it. May be called again. */
  start(): void {
    this.live?.start();
  }

  /** Follows it no more. */
  stop(): void {
    this.live?.stop();
  }

  /** Looks for what is new in the bucket, unless the hub itself tells it. */
  async look(): Promise<void> {
    const { today } = this.folder;
    await Promise.all([
      this.images.known(today) === undefined ? undefined : this.images.of(today),
      this.isTold ? undefined : this.events.of(today),
    ]);
  }

  /** Whether the hub itself tells what it stores. */
  private get isTold(): boolean {
    return this.live?.isLive === true;
  }

  /** The cameras of the last days that have images. */
  async cameras(): Promise<Camera[]> {
    const { folder, images } = this;
    const { today } = folder;
    const found = new Map<string, Camera>();
    const take = (camera: string, date: string, last: string, count: number): void => {
      const parsed = parseImageFileName(last, date);
      if (parsed === undefined) return;
      const name = joined(this.name, camera);
      const latest = { date, name: joined(this.name, last), time: timeText(parsed.micros) };
      const before = found.get(camera)?.latest;
      // Of a day with several summaries, the last image may be in any of them.
      const isLater = before === undefined || (before.date === date && before.time < latest.time);
      if (isLater) found.set(camera, { name, latest, imagesToday: count });
    };
    // The hub may have been away for long.
    const earlier = folder.datesWithImages.filter((date) => date < today).slice(1 - CAMERA_DAYS);
    for (const date of [today, ...earlier.toReversed()]) {
      const isToday = date === today;
      if (!isToday) await folder.loadSummary(date);
      const summaries = isToday ? undefined : folder.summariesOf(date);
      if (summaries !== undefined) {
        for (const { cameras } of summaries)
          for (const { name, last } of cameras) take(name, date, last, 0);
      } else {
        const day = await images.of(date);
        for (const { name, last, images: count } of day?.cameras.values() ?? [])
          take(name, date, last, isToday ? count : 0);
      }
    }
    return [...found.values()];
  }

  /**
   * The bytes of an image; undefined if it is not there. One that is not in the bucket yet, or not
   * to be had there, is asked for at the hub. Rejects with {@link Withheld} if that has none.
   */
  async image(date: string, name: string): Promise<Uint8Array | undefined> {
    const { folder, images, live } = this;
    const isToCome = this.isTold && images.known(date)?.isListed(name) === false;
    const asked = isToCome ? live?.image(date, name) : undefined;
    const own = await Promise.race([asked, Bun.sleep(HUB_MS).then(() => undefined)]);
    if (own !== undefined) return own;
    const key = folder.keys.imagesOf(date) + name;
    const found = await this.store.read(key, IMAGE_BYTES_MAX).catch((error: unknown) => {
      if (error instanceof Withheld) return error;
      throw error;
    });
    if (found !== undefined && !(found instanceof Withheld)) return found;
    const other = await (asked ?? (this.isTold ? live?.image(date, name) : undefined));
    if (other === undefined && found !== undefined) throw found;
    return other;
  }

  /** Whether there is such an image, in the bucket or at the hub. */
  async isThere(date: string, name: string): Promise<boolean> {
    const { folder, images, store } = this;
    if (this.isTold && images.known(date)?.isToCome(name) === true) return true;
    return await store.isThere(folder.keys.imagesOf(date) + name);
  }

  private hearing(): ConstructorParameters<typeof LiveHub>[1] {
    const { name: hub, listener } = this;
    return {
      image: ({ date, name, camera, time }) => {
        if (!this.images.add(date, name)) return;
        listener.image({ date, name: joined(hub, name), camera: joined(hub, camera), time });
      },
      event: (event) => {
        const own = ofHub(hub, event);
        if (this.events.add(own)) listener.event(own);
      },
      node: ({ node, ...rest }) => listener.node({ ...rest, node: joined(hub, node) }),
      missed: () => this.images.doubt(this.folder.today),
      changed: (problem) => listener.changed(this.state, problem),
    };
  }

  /** An image is new in the bucket. */
  private found(date: string, image: string): void {
    const parsed = parseImageFileName(image, date);
    // What a hub copies of earlier days is no news.
    if (parsed === undefined || date < daysAfter(this.folder.today, -1)) return;
    const [name, camera] = [joined(this.name, image), joined(this.name, parsed.camera)];
    this.listener.image({ date, name, camera, time: timeText(parsed.micros) });
  }
}
