/**
 * What a day holds in numbers: images and bytes of each camera. Sizes cost a look at each file, so
 * the summaries of days that are over are kept beside the data, in one file, and made anew when a
 * folder has changed. They only save time: before anything is deleted, the files are counted again.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { z } from "zod";
import { Folder } from "../os/folder.ts";
import { stampOf } from "../os/stamp.ts";
import { parseImageFileName } from "../protocol/names.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { writeOwn } from "../store/own-folder.ts";

const summarySchema = z.strictObject({
  date: z.string(),
  images: z.int(),
  bytes: z.int(),
  /** Files in the folder that are not the hub's images. They are not counted in the rest. */
  foreign: z.int(),
  /** Images that cannot be looked at. They are not counted in the rest either. */
  unreadable: z.int(),
  /** In alphabetical order. */
  cameras: z.array(z.strictObject({ name: z.string(), images: z.int(), bytes: z.int() })),
});

/** What a day holds. */
export type DaySummary = z.infer<typeof summarySchema>;

/** The form of the kept summaries. Others are made anew. */
const VERSION = 3;

const keptSchema = z.strictObject({
  version: z.literal(VERSION),
  days: z.array(
    z.strictObject({
      /** What the folder was when it was counted: see {@link stampOf}. */
      stamp: z.string(),
      summary: summarySchema,
    }),
  ),
});

type KeptDay = z.infer<typeof keptSchema>["days"][number];

/** Where they are kept, in the folder for what only saves time. */
const FILE = "days.json";

/** How often they are written while many days are counted, in milliseconds. */
const SAVE_MS = 10_000;

/** Summaries of the days of one data directory. */
export class Summaries implements Disposable {
  private readonly kept: ReadonlyMap<string, KeptDay>;
  private readonly now = new Map<string, KeptDay>();
  private hasNew = false;
  private savedMs = performance.now();

  /** @param keeps whether summaries are kept beside the data, for the next time */
  constructor(
    private readonly directory: DataDirectory,
    private readonly keeps: boolean,
  ) {
    const days = read(`${directory.own}/${FILE}`);
    this.kept = new Map(days.map((day) => [day.summary.date, day]));
  }

  /**
   * Counts a day, or finds it counted.
   *
   * @param date such as `2018-12-30`
   * @param isOver whether nothing more is stored on that day
   * @throws {Error} of node:fs and {SystemError}
   */
  of(date: string, isOver: boolean): DaySummary {
    const folder = this.directory.dateFolder(date);
    const stamp = stampOf(folder);
    const kept = isOver ? (this.now.get(date) ?? this.kept.get(date)) : undefined;
    if (kept?.stamp === stamp) {
      this.now.set(date, kept);
      return kept.summary;
    }
    const summary = countDay(folder, date);
    // What was stored meanwhile is not in it.
    if (isOver && stampOf(folder) === stamp) {
      this.now.set(date, { stamp, summary });
      this.hasNew = true;
      if (performance.now() - this.savedMs > SAVE_MS) this.save(this.kept);
    }
    return summary;
  }

  /** Keeps the summaries of the days that were asked for, and forgets those of others. */
  [Symbol.dispose](): void {
    if (this.hasNew || this.now.size !== this.kept.size) this.save(new Map());
  }

  private save(others: ReadonlyMap<string, KeptDay>): void {
    this.savedMs = performance.now();
    if (!this.keeps) return;
    const days = [...new Map([...others, ...this.now]).values()];
    try {
      writeOwn(this.directory, FILE, JSON.stringify({ version: VERSION, days }), false);
    } catch {
      // On a full or read-only disk they are counted again the next time.
    }
  }
}

function read(file: string): readonly KeptDay[] {
  try {
    return keptSchema.safeParse(JSON.parse(readFileSync(file, "utf8"))).data?.days ?? [];
  } catch {
    return [];
  }
}

/** What there is of a day without images. */
export function noImages(date: string): DaySummary {
  return { date, images: 0, bytes: 0, foreign: 0, unreadable: 0, cameras: [] };
}

/**
 * Counts the images in a folder of a day.
 *
 * @param without names that are left out
 * @throws {Error} of node:fs and {SystemError}
 */
export function countDay(
  path: string,
  date: string,
  without: ReadonlySet<string> = new Set(),
): DaySummary {
  using folder = Folder.open(path);
  const cameras = new Map<string, { name: string; images: number; bytes: number }>();
  let [images, bytes, foreign, unreadable] = [0, 0, 0, 0];
  for (const name of folder.eachName()) {
    const parsed = parseImageFileName(name, date);
    let size: number | undefined;
    try {
      size = parsed === undefined ? -1 : folder.sizeOf(name);
    } catch {
      // A damaged file system: the other images still count.
      unreadable++;
      continue;
    }
    // Somebody may be removing images meanwhile.
    if (size === undefined || without.has(name)) continue;
    if (parsed === undefined || size < 0) {
      foreign++;
      continue;
    }
    let camera = cameras.get(parsed.camera);
    if (camera === undefined)
      cameras.set(parsed.camera, (camera = { name: parsed.camera, images: 0, bytes: 0 }));
    camera.images++;
    camera.bytes += size;
    images++;
    bytes += size;
  }
  const sorted = [...cameras.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { date, images, bytes, foreign, unreadable, cameras: sorted };
}
