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
import type { Camera, DaySummary } from "../page/answers.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import type { DayIndex, DayIndexes } from "./day-index.ts";
import { camerasOf } from "./minutes.ts";
import { timeIn } from "./query.ts";

/** How long the list is good for, in milliseconds. */
const LIST_MS = 30_000;

/** How long the archive may take to say what it has, in milliseconds. */
const ARCHIVE_MS_MAX = 2000;

/** How many days are searched for a camera. */
const CAMERA_DAYS = 7;

/** What the days of a data directory are, for a list. */
export class Days {
  private list: { readonly days: readonly DaySummary[]; readonly atMs: number } | undefined;
  /** Which cameras a day that is over has. Each is counted once, and again if it has changed. */
  private summaries: Summaries | undefined;
  private asking: Promise<ReadonlySet<string> | undefined> | undefined;

  constructor(
    private readonly directory: DataDirectory,
    private readonly settings: Pick<Settings, "archive">,
    private readonly indexes: DayIndexes,
  ) {}

  /** All days, the earliest first. @throws {Error} of node:fs and {SystemError} */
  async all(today: string): Promise<readonly DaySummary[]> {
    if (this.list !== undefined && performance.now() - this.list.atMs < LIST_MS)
      return this.list.days;
    const archived = await this.archived();
    const days = readDays(this.directory, { today, keeps: true, others: archived ?? [] }).map(
      (day): DaySummary => ({
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
  cameras(today: string): Camera[] {
    const { directory, indexes } = this;
    const found = new Map<string, Camera>();
    const summaries = (this.summaries ??= new Summaries(directory, false));
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

  /** Forgets what was read. */
  clear(): void {
    this.list = undefined;
    this.summaries = undefined;
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

function add(found: Map<string, Camera>, camera: Camera): void {
  if (!found.has(camera.name)) found.set(camera.name, camera);
}

/** The latest image of each camera of a day. */
function latestIn(day: DayIndex, isToday: boolean): Camera[] {
  return camerasOf(day).map(({ name, images, last }) => {
    const latest = { date: day.date, name: day.nameOf(name, timeIn(last)), time: last };
    return { name, latest, imagesToday: isToday ? images : 0 };
  });
}
