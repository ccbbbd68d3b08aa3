/**
 * The images of the days that people look at. A day that is over is read again when its folder has
 * changed. Today grows by what the follower tells, and is read again now and then.
 *
 * @module
 */

import { Day, type DayImage } from "../catalog/day.ts";
import type { StoredImage } from "../catalog/day-follower.ts";
import { Folder } from "../os/folder.ts";
import { unlessMissing } from "../os/missing.ts";
import { stampOf } from "../os/stamp.ts";
import { parseImageFileName } from "../protocol/names.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { Places } from "./places.ts";
import type { Filter } from "./query.ts";

/** How many days are held at once. One with 200,000 images has 4 MB. */
const DAYS_MAX = 4;

/** How often a day that changes is read again, in milliseconds. */
const READ_MS_MIN = 60_000;

/** One day: what was in its folder when it was read, and what came since. */
export class DayIndex {
  private readonly added: DayImage[] = [];
  readonly readMs = performance.now();
  /** What was asked for last. */
  private asked: { readonly key: string; readonly places: Places } | undefined;

  constructor(
    private readonly base: Day,
    readonly stamp: string,
  ) {}

  get date(): string {
    return this.base.date;
  }

  get count(): number {
    return this.base.count + this.added.length;
  }

  /** One image. @param index from 0, the earliest first */
  at(index: number): DayImage {
    return this.addedAt(index) ?? this.base.at(index);
  }

  /** An image that has come since; undefined if it was there. Looking below 0 would be slow. */
  private addedAt(index: number): DayImage | undefined {
    const { count } = this.base;
    return index < count ? undefined : this.added[index - count];
  }

  /** The time of an image, in microseconds since midnight. */
  microsAt(index: number): number {
    return this.addedAt(index)?.micros ?? this.base.microsAt(index);
  }

  /** The camera of an image. */
  cameraAt(index: number): string {
    const added = this.addedAt(index);
    return added?.camera ?? this.base.cameras[this.base.cameraAt(index)]!;
  }

  /** The name of a camera's image at a time of day, which it must have. */
  nameOf(camera: string, micros: number): string {
    let index = this.find(micros);
    while (index + 1 < this.count && this.cameraAt(index) !== camera) index++;
    return this.at(index).name;
  }

  /** The first image at or after a time of day. @returns {@link count} if there is none */
  find(micros: number): number {
    const index = this.base.find(micros);
    if (index < this.base.count) return index;
    const later = this.added.findIndex((image) => image.micros >= micros);
    return later < 0 ? this.count : this.base.count + later;
  }

  /** The place of an image by its name; -1 if it is not there. */
  indexOf(name: string): number {
    const parsed = parseImageFileName(name, this.date);
    if (parsed === undefined) return -1;
    for (let index = this.find(parsed.micros); index < this.count; index++) {
      const image = this.at(index);
      if (image.micros !== parsed.micros) return -1;
      if (image.name === name) return index;
    }
    return -1;
  }

  /**
   * Adds an image that was just stored.
   *
   * @returns false if it is not the latest one, so that the day must be read again
   */
  add(image: DayImage): boolean {
    const last = this.count === 0 ? undefined : this.at(this.count - 1);
    if (last !== undefined && image.micros <= last.micros) return this.indexOf(image.name) >= 0;
    this.added.push(image);
    return true;
  }

  /** The places of the images that a filter leaves, in order. */
  places({ cameras, from, to }: Filter): Places {
    const { base } = this;
    const [first, end] = [this.find(from), this.find(to)];
    if (cameras === undefined) return Places.all(first, end);
    const key = JSON.stringify([first, end, ...cameras]);
    // Who looks at a camera asks for one part of its list after the other.
    if (this.asked?.key === key) return this.asked.places;
    const isMeant = base.cameras.map((camera) => cameras.has(camera));
    const places = Places.some(first, end, (place) => {
      const added = this.addedAt(place);
      return added === undefined ? isMeant[base.cameraAt(place)]! : cameras.has(added.camera);
    });
    this.asked = { key, places };
    return places;
  }
}

/** The days that are held. */
export class DayIndexes {
  /** The one that was asked for last comes last. */
  private readonly days = new Map<string, DayIndex>();

  constructor(private readonly directory: DataDirectory) {}

  /** Takes in an image that was just stored. */
  add({ date, camera, micros, name }: StoredImage): void {
    if (this.days.get(date)?.add({ camera, micros, name }) === false) this.days.delete(date);
  }

  /**
   * @param date such as `2018-12-30`
   * @param isFollowed whether what is stored on it is told by {@link add}
   * @returns undefined if there is no such day
   * @throws {Error} of node:fs and {SystemError}
   */
  of(date: string, isFollowed: boolean): DayIndex | undefined {
    const path = this.directory.dateFolder(date);
    const stamp = unlessMissing(() => stampOf(path));
    const known = this.days.get(date);
    this.days.delete(date);
    if (stamp === undefined) return undefined;
    const isFresh =
      known?.stamp === stamp ||
      (isFollowed && known !== undefined && performance.now() - known.readMs < READ_MS_MIN);
    const day = isFresh ? known : unlessMissing(() => this.read(date, path, stamp));
    if (day === undefined) return undefined;
    this.days.set(date, day);
    const [oldest] = this.days.keys();
    if (this.days.size > DAYS_MAX) this.days.delete(oldest!);
    return day;
  }

  /** Forgets all days. */
  clear(): void {
    this.days.clear();
  }

  private read(date: string, path: string, stamp: string): DayIndex {
    using folder = Folder.open(path);
    return new DayIndex(new Day(date, (take) => folder.takeNames(take)), stamp);
  }
}
