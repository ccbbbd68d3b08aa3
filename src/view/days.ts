/**
 * The list of days, and the cameras with their latest images.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { dateOfManifest, MANIFESTS } from "../archive/layout.ts";
import { datesIn, readDays } from "../catalog/catalog.ts";
import { Summaries } from "../catalog/summary.ts";
import type { Settings } from "../config/schema.ts";
import { unlessMissing } from "../os/missing.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import type { DayIndex, DayIndexes } from "./day-index.ts";
import { timeText } from "./query.ts";

/** How long the list is good for, in milliseconds. Today's images are counted for each. */
const LIST_MS = 30_000;

/** How long the archive may take to say what it has, in milliseconds. */
const ARCHIVE_MS_MAX = 2000;

/** How many days are searched for a camera. */
const CAMERA_DAYS = 7;

/** A day in the list. */
export interface ListedDay {
  readonly date: string;
  readonly images: number;
  readonly bytes: number;
  readonly events: number;
  readonly protected: number;
  /** Null if there is no archive, or it cannot be asked. */
  readonly archived: boolean | null;
  readonly cameras: readonly {
    readonly name: string;
    readonly images: number;
    readonly bytes: number;
  }[];
  readonly pruned: readonly unknown[];
}

/** The latest image of a camera. */
export interface CameraNow {
  readonly name: string;
  readonly latest: { readonly date: string; readonly name: string; readonly time: string };
  readonly imagesToday: number;
}

/** What the days of a data directory are, for a list. */
export class Days {
  private list: { readonly days: readonly ListedDay[]; readonly atMs: number } | undefined;
  private asking: Promise<ReadonlySet<string> | undefined> | undefined;

  constructor(
    private readonly directory: DataDirectory,
    private readonly settings: Pick<Settings, "archive">,
    private readonly indexes: DayIndexes,
  ) {}

  /** All days, the earliest first. @throws {Error} of node:fs and {SystemError} */
  async all(today: string): Promise<readonly ListedDay[]> {
    if (this.list !== undefined && performance.now() - this.list.atMs < LIST_MS)
      return this.list.days;
    const archived = await this.archived();
    const days = readDays(this.directory, { today, keeps: true, others: archived ?? [] }).map(
      (day): ListedDay => ({
        date: day.date,
        images: day.images,
        bytes: day.bytes,
        events: day.events,
        protected: day.protected.images,
        archived: archived?.has(day.date) ?? null,
        cameras: day.cameras,
        pruned: day.pruned.map(({ at, reason, count, until }) => ({
          at,
          reason,
          images: count,
          until: until ?? null,
        })),
      }),
    );
    this.list = { days, atMs: performance.now() };
    return days;
  }

  /** The cameras of the last days that have images. @throws as {@link all} */
  cameras(today: string): CameraNow[] {
    const { directory, indexes } = this;
    const found = new Map<string, CameraNow>();
    using summaries = new Summaries(directory, false);
    const dates = datesIn(directory).filter((date) => date <= today);
    for (const date of dates.slice(-CAMERA_DAYS).toReversed()) {
      const isToday = date === today;
      const names = isToday
        ? undefined
        : unlessMissing(() => summaries.of(date, true))?.cameras.map(({ name }) => name);
      if (names?.every((name) => found.has(name)) === true) continue;
      const day = indexes.of(date, isToday);
      if (day !== undefined) for (const camera of latestIn(day, isToday)) add(found, camera);
    }
    return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Forgets the list. */
  clear(): void {
    this.list = undefined;
  }

  /** The dates that the archive has. A NAS that does not respond holds up one question only. */
  private async archived(): Promise<ReadonlySet<string> | undefined> {
    const { directory } = this.settings.archive;
    if (directory === "") return undefined;
    this.asking ??= this.askArchive(directory).finally(() => (this.asking = undefined));
    return await Promise.race([this.asking, Bun.sleep(ARCHIVE_MS_MAX).then(() => undefined)]);
  }

  private async askArchive(directory: string): Promise<ReadonlySet<string> | undefined> {
    try {
      const names = await readdir(join(directory, MANIFESTS));
      return new Set(names.map(dateOfManifest).filter((date) => date !== undefined));
    } catch {
      return undefined;
    }
  }
}

function add(found: Map<string, CameraNow>, camera: CameraNow): void {
  if (!found.has(camera.name)) found.set(camera.name, camera);
}

/** The latest image of each camera of a day. */
function latestIn(day: DayIndex, isToday: boolean): CameraNow[] {
  const counts = new Map<string, { place: number; images: number }>();
  for (let place = 0; place < day.count; place++) {
    const name = day.cameraAt(place);
    const count = counts.get(name);
    if (count === undefined) counts.set(name, { place, images: 1 });
    else Object.assign(count, { place, images: count.images + 1 });
  }
  return Array.from(counts, ([name, { place, images }]) => {
    const { name: file, micros } = day.at(place);
    const latest = { date: day.date, name: file, time: timeText(micros) };
    return { name, latest, imagesToday: isToday ? images : 0 };
  });
}
