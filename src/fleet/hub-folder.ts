/**
 * What there is in the folder of one hub: its days, and what is known of each without its images.
 *
 * @module
 */

import { dateOfLog } from "../archive/layout.ts";
import { parseJson } from "../protocol/json.ts";
import { Keys, partOfDay } from "../replicate/layout.ts";
import { type BucketDay, parseSummary } from "../replicate/summary.ts";
import { dayOf } from "../store/data-directory.ts";
import type { Store } from "./store.ts";
import { Zone } from "./zone.ts";

/** Most summaries in memory. */
const SUMMARIES_MAX = 20_000;

/** Longest summary, and file that says whose folder it is, in bytes. */
const FACTS_BYTES_MAX = 4 * 2 ** 20;

/** So many of its last days may have images that are in no manifest. */
const UNSETTLED_DAYS = 2;

/** What of a day is in the bucket. */
export interface DayParts {
  /** Whether there may be images. */
  hasImages: boolean;
  /** The numbers of its manifests, and of its summaries. */
  readonly manifests: Set<number>;
  readonly summaries: Set<number>;
  /** The size of its event log, in bytes; undefined if its day is not over. */
  logBytes: number | undefined;
  /** Whether there are parts of its event log. */
  hasSegments: boolean;
}

/** One hub's folder. */
export class HubFolder {
  readonly keys: Keys;
  zone = new Zone(undefined);
  /** By date. */
  days: ReadonlyMap<string, DayParts> = new Map();
  private readonly summaries = new Map<string, BucketDay>();
  /** Summaries while they are read. */
  private readonly reading = new Map<string, Promise<void>>();
  private owner = 0;
  /** The first of its last days. */
  private unsettled = "";

  constructor(
    readonly name: string,
    readonly store: Store,
  ) {
    this.keys = new Keys(name);
  }

  /** The hub's local time, such as `2018-12-30T23:13:31.620000`. */
  get now(): string {
    return this.zone.at(Date.now());
  }

  /** The hub's date. */
  get today(): string {
    return this.now.slice(0, 10);
  }

  /** Looks what there is. @returns false if this is no hub's folder */
  async refresh(): Promise<boolean> {
    const { keys } = this;
    if (!(await this.readTop())) return false;
    const days = new Map<string, DayParts>();
    const of = (date: string): DayParts => {
      let day = days.get(date);
      if (day === undefined) days.set(date, (day = noParts()));
      return day;
    };
    await Promise.all([
      this.list(keys.manifests, (path) => {
        const part = partOfDay(path);
        if (part !== undefined) of(part.date).manifests.add(part.number);
      }),
      this.list(keys.summaries, (path) => {
        const part = partOfDay(path);
        if (part !== undefined) of(part.date).summaries.add(part.number);
      }),
      this.list(keys.images, (path) => {
        const date = dateOfFolder(path);
        if (date !== undefined) of(date).hasImages = true;
      }),
      this.list(keys.logs, (path, size) => {
        const date = dateOfFolder(path);
        if (date !== undefined) of(date).hasSegments = true;
        const closed = dateOfLog(path.slice("logs/".length));
        if (closed !== undefined) of(closed).logBytes = size;
      }),
    ]);
    // A summary may have been put between two lists.
    for (const day of days.values()) for (const number of day.summaries) day.manifests.add(number);
    this.days = days;
    this.unsettled = this.datesWithImages.at(-UNSETTLED_DAYS) ?? "";
    return true;
  }

  /** The days that may have images, the earliest first. */
  get datesWithImages(): string[] {
    return [...this.days]
      .filter(([, { hasImages }]) => hasImages)
      .map(([date]) => date)
      .toSorted();
  }

  /** Whether a day has manifests, which say what is in it. */
  isFinished(date: string): boolean {
    return (this.days.get(date)?.manifests.size ?? 0) > 0;
  }

  /**
   * Whether a day's manifests have all of it. The last two days may have more: a hub whose clock
   * was set back goes on in a day that it has finished, and may be gone before it makes another.
   */
  isSettled(date: string): boolean {
    return this.isFinished(date) && date < this.unsettled;
  }

  /** Whether a day is finished, and has a summary of all of it in the bucket. */
  isSummed(date: string): boolean {
    const parts = this.days.get(date);
    return (
      parts !== undefined &&
      parts.manifests.size > 0 &&
      [...parts.manifests].every((number) => parts.summaries.has(number))
    );
  }

  /** What a day has, in parts; undefined if not all of them are in memory. */
  summariesOf(date: string): readonly BucketDay[] | undefined {
    const parts = this.days.get(date);
    if (parts === undefined || !this.isSummed(date)) return undefined;
    const found = [...parts.manifests].map((number) => this.summaries.get(`${date}-${number}`));
    return found.some((each) => each === undefined) ? undefined : (found as BucketDay[]);
  }

  /** Gets what a day has into memory, if the bucket says. */
  async loadSummary(date: string): Promise<void> {
    const parts = this.days.get(date);
    if (parts === undefined || !this.isSummed(date)) return;
    await Promise.all(
      [...parts.manifests].map(async (number) => {
        const place = `${date}-${number}`;
        if (this.summaries.has(place)) return;
        // Those who ask meanwhile wait for the same.
        let reading = this.reading.get(place);
        if (reading === undefined) {
          reading = this.readSummary(date, number).finally(() => this.reading.delete(place));
          this.reading.set(place, reading);
        }
        await reading;
      }),
    );
  }

  private async readSummary(date: string, number: number): Promise<void> {
    const text = await this.store.text(this.keys.summary(date, number), FACTS_BYTES_MAX);
    const summary = parseSummary(text ?? "", date);
    // A damaged one counts as none.
    if (summary === undefined) this.days.get(date)?.summaries.delete(number);
    else this.keep(`${date}-${number}`, summary);
  }

  private keep(place: string, summary: BucketDay): void {
    this.summaries.set(place, summary);
    const [oldest] = this.summaries.keys();
    if (this.summaries.size > SUMMARIES_MAX) this.summaries.delete(oldest!);
    const latest = [...this.days.keys()].toSorted().findLast((date) => this.isSummed(date));
    if (latest === summary.date) this.setZone(summary.time_zone);
  }

  private setZone(name: string): void {
    if (name !== this.zone.name) this.zone = new Zone(name);
  }

  /**
   * Looks whose folder it is, which says its time zone. A bucket may have other folders, which cost
   * one call each.
   *
   * @returns false if it has nothing of a hub
   */
  private async readTop(): Promise<boolean> {
    const { keys, store } = this;
    const parts = new Set([keys.images, keys.logs, keys.manifests, keys.summaries]);
    let latest = 0;
    let hasParts = false;
    for await (const page of store.list({ prefix: keys.of(""), delimiter: "/" })) {
      for (const { key } of page.objects) latest = Math.max(latest, keys.ownerNumber(key) ?? 0);
      hasParts ||= page.prefixes.some((prefix) => parts.has(prefix));
      if (latest === 0 && !hasParts) return false;
    }
    if (latest === 0 || latest === this.owner) return true;
    const facts = parseJson((await store.text(keys.owner(latest), FACTS_BYTES_MAX)) ?? "");
    const zone = (facts as Record<string, unknown> | undefined)?.["time_zone"];
    if (typeof zone === "string") this.setZone(zone);
    this.owner = latest;
    return true;
  }

  /** Lists a folder, and tells the paths in it without the hub's name. */
  private async list(prefix: string, take: (path: string, size: number) => void): Promise<void> {
    const above = this.keys.of("").length;
    for await (const { objects, prefixes } of this.store.list({ prefix, delimiter: "/" })) {
      for (const { key, size } of objects) take(key.slice(above), size);
      for (const each of prefixes) take(each.slice(above), 0);
    }
  }
}

function noParts(): DayParts {
  return {
    hasImages: false,
    manifests: new Set(),
    summaries: new Set(),
    logBytes: undefined,
    hasSegments: false,
  };
}

/** The date of `images/2018-12-30/` and the like. */
function dateOfFolder(path: string): string | undefined {
  const [, date = ""] = /^\w+\/(\d{4}-\d\d-\d\d)\/$/.exec(path) ?? [];
  return dayOf(date) === undefined ? undefined : date;
}
