/**
 * What a day holds in numbers: images and bytes of each camera. Sizes cost a look at each file, so
 * the summary of a day that is over is kept beside the data, and made anew when its folder has
 * changed. It only saves time: nothing is ever deleted on its word.
 *
 * @module
 */

import { lstatSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { readDay } from "./day.ts";
import type { DataDirectory } from "../store/data-directory.ts";

const summarySchema = z.strictObject({
  date: z.string(),
  images: z.int(),
  bytes: z.int(),
  /** Files in the folder that are not the hub's images. They are not counted in the rest. */
  foreign: z.int(),
  /** In alphabetical order. */
  cameras: z.array(z.strictObject({ name: z.string(), images: z.int(), bytes: z.int() })),
});

/** What a day holds. */
export type DaySummary = z.infer<typeof summarySchema>;

/** The form of a kept summary. Others are made anew. */
const VERSION = 1;

const keptSchema = z.strictObject({
  version: z.literal(VERSION),
  /** What the folder was when it was counted: see {@link stampOf}. */
  stamp: z.string(),
  summary: summarySchema,
});

/** Summaries of the days of one data directory. */
export class Summaries {
  private readonly folder: string;

  /** @param keeps whether summaries are kept beside the data, for the next time */
  constructor(
    private readonly directory: DataDirectory,
    private readonly keeps: boolean,
  ) {
    this.folder = `${directory.own}/days`;
  }

  /**
   * Counts a day, or finds it counted.
   *
   * @param date such as `2018-12-30`
   * @param isOver whether nothing more is stored on that day
   * @throws {Error} of node:fs
   */
  of(date: string, isOver: boolean): DaySummary {
    const folder = this.directory.dateFolder(date);
    const stamp = stampOf(folder);
    const kept = isOver ? this.kept(date, stamp) : undefined;
    if (kept !== undefined) return kept;
    const summary = count(folder, date);
    // What was stored meanwhile is not in it.
    if (isOver && this.keeps && stampOf(folder) === stamp) this.keep(stamp, summary);
    return summary;
  }

  private kept(date: string, stamp: string): DaySummary | undefined {
    try {
      const text = readFileSync(`${this.folder}/${date}.json`, "utf8");
      const { data } = keptSchema.safeParse(JSON.parse(text));
      return data?.stamp === stamp && data.summary.date === date ? data.summary : undefined;
    } catch {
      return undefined;
    }
  }

  private keep(stamp: string, summary: DaySummary): void {
    const path = `${this.folder}/${summary.date}.json`;
    try {
      mkdirSync(this.folder, { recursive: true });
      writeFileSync(`${path}.new`, JSON.stringify({ version: VERSION, stamp, summary }));
      renameSync(`${path}.new`, path);
    } catch {
      // On a full or read-only disk it is counted again the next time.
    }
  }
}

/** What changes when a name in a folder does, or when it is another folder. */
function stampOf(folder: string): string {
  const { dev, ino, mtimeNs, ctimeNs } = statSync(folder, { bigint: true });
  return [dev, ino, mtimeNs, ctimeNs].join(" ");
}

function count(folder: string, date: string): DaySummary {
  const day = readDay(folder, date);
  const cameras = day.cameras.map((name) => ({ name, images: 0, bytes: 0 }));
  for (let index = 0; index < day.count; index++) {
    // Somebody may be removing images meanwhile.
    const stats = lstatSync(`${folder}/${day.at(index).name}`, { throwIfNoEntry: false });
    if (stats?.isFile() !== true) continue;
    const camera = cameras[day.cameraAt(index)]!;
    camera.images++;
    camera.bytes += stats.size;
  }
  return {
    date,
    images: cameras.reduce((sum, { images }) => sum + images, 0),
    bytes: cameras.reduce((sum, { bytes }) => sum + bytes, 0),
    foreign: day.foreign.length,
    cameras: cameras.filter(({ images }) => images > 0),
  };
}
