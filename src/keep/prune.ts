/**
 * Deletes images. Nothing else in the program does.
 *
 * It removes only regular files whose names are exactly those of images of their day, from the
 * folder of that day itself, never through a symbolic link, and only while the data directory is
 * the one that the hub was started with. Everything else is left where it is.
 *
 * @module
 */

import { rmdirSync } from "node:fs";
import { Day } from "../catalog/day.ts";
import { openIfThere } from "../catalog/kept.ts";
import { messageOf } from "../errors.ts";
import type { Folder } from "../os/folder.ts";
import { type DataDirectory, Part } from "../store/data-directory.ts";
import { DataDirectoryGone } from "../store/data-guard.ts";
import type { Candidate, Deletion } from "./plan.ts";
import type { Reason } from "../catalog/record.ts";

/**
 * How many images are deleted in one go, and the pause after them, in milliseconds: 2,000 a second.
 * The disk has time for the cameras in between.
 */
const BATCH = 50;
const PAUSE_MS = 25;

/** An hour, in microseconds: images are deleted by whole hours of a day. */
const HOUR = 3_600_000_000;

/** After so many in succession that cannot be deleted, no more of the day are tried. */
const FAILURES_MAX = 10;

/** What deleting needs to know of the outside. */
export interface PruneParts {
  readonly directory: DataDirectory;
  /** Whether the data directory is still the right one. @throws {DataDirectoryGone} if not */
  readonly check: (part: Part) => void;
  /** The protected images of a day, by name. */
  readonly protectedNames: (date: string) => ReadonlySet<string>;
  /** Whether the archive has an image; undefined if that does not matter. */
  readonly archived: ((date: string) => (name: string, folder: Folder) => boolean) | undefined;
  /** Images at or after this time are never deleted. */
  readonly until: { readonly date: string; readonly micros: number };
  /** Whether the disk is so short of space that the cameras have to wait. */
  readonly isUrgent: () => boolean;
  /** Whether to end early. */
  readonly shouldStop: () => boolean;
  /** Whether to only count what would be deleted. */
  readonly isRehearsal: boolean;
  /** Is told of what could not be deleted. */
  readonly onFailure: (message: string) => void;
  /** Is told how many images are gone. */
  readonly onProgress?: (images: number) => void;
}

/** What one deletion has removed. */
export interface Pruned {
  readonly reason: Reason;
  readonly images: number;
  readonly bytes: number;
  /** Why it ended before its time: the data directory is not the one it was. */
  readonly error: unknown;
  /** The days with images that are gone, the earliest first. */
  readonly days: readonly PrunedDay[];
}

/** What is gone of one day. */
interface PrunedDay {
  readonly date: string;
  /** The cameras whose images are gone; undefined if it was all of them. */
  readonly cameras: readonly string[] | undefined;
  /** The end of the last deleted hour, such as `14:00`; undefined if it is the end of the day. */
  readonly until: string | undefined;
}

/** Deletes what was decided. */
export class Pruner {
  private done = 0;
  /** How many in succession could not be deleted. */
  private failed = 0;

  constructor(private readonly parts: PruneParts) {}

  /**
   * Deletes the candidates in order until enough is gone. A file or a day that cannot be deleted is
   * reported, and the next one is tried.
   */
  async run({ reason, candidates, bytes: wanted }: Deletion): Promise<Pruned> {
    const gone = { images: 0, bytes: 0 };
    const days: PrunedDay[] = [];
    let error: unknown;
    for (const candidate of candidates) {
      if (gone.bytes >= wanted || error !== undefined || this.parts.shouldStop()) break;
      const before = gone.images;
      let until: string | undefined;
      try {
        until = await this.pruneDay(candidate, wanted, gone);
      } catch (cause) {
        this.failed = 0;
        if (cause instanceof DataDirectoryGone) error = cause;
        // Nobody knows what is protected or archived of this day, so it stays.
        else this.parts.onFailure(`Cannot delete images of ${candidate.date}: ${messageOf(cause)}`);
      }
      if (gone.images === before) continue;
      const { date, camera } = candidate;
      days.push({ date, cameras: camera === undefined ? undefined : [camera], until });
    }
    return { reason, ...gone, error, days: joined(days) };
  }

  /**
   * @param gone is counted up
   * @returns the end of the last hour that is gone; undefined if all hours are
   */
  private async pruneDay(
    { date, camera }: Candidate,
    wanted: number,
    gone: { images: number; bytes: number },
  ): Promise<string | undefined> {
    const { parts } = this;
    const path = parts.directory.dateFolder(date);
    using folder = openIfThere(path);
    if (folder === undefined) return undefined;
    // After opening: what was opened before is in the right place.
    parts.check(Part.images);
    const day = new Day(date, folder.eachName());
    const kept = parts.protectedNames(date);
    const isArchived = parts.archived?.(date);
    let hour = -1;
    let isAll = true;
    for (let index = 0; index < day.count; index++) {
      if (camera !== undefined && day.cameras[day.cameraAt(index)] !== camera) continue;
      const { name, micros } = day.at(index);
      const isNewHour = Math.floor(micros / HOUR) !== hour;
      const isLate =
        date > parts.until.date || (date === parts.until.date && micros >= parts.until.micros);
      if (isLate || parts.shouldStop() || (isNewHour && hour >= 0 && gone.bytes >= wanted)) {
        isAll = false;
        break;
      }
      if (kept.has(name)) continue;
      const size = folder.sizeOf(name) ?? -1;
      // Gone meanwhile, or something else with an image's name.
      if (size < 0 || isArchived?.(name, folder) === false) continue;
      if (!this.remove(folder, name)) continue;
      hour = Math.floor(micros / HOUR);
      gone.images++;
      gone.bytes += size;
      if (++this.done % BATCH === 0) await this.pause();
    }
    if (isAll && !parts.isRehearsal) removeEmpty(path);
    return isAll || hour < 0 ? undefined : `${String(hour + 1).padStart(2, "0")}:00`;
  }

  /** @throws {SystemError} if one after the other cannot be deleted */
  private remove(folder: Folder, name: string): boolean {
    if (this.parts.isRehearsal) return true;
    try {
      const isGone = folder.unlink(name);
      this.failed = 0;
      return isGone;
    } catch (error) {
      if (++this.failed >= FAILURES_MAX) throw error;
      this.parts.onFailure(messageOf(error));
      return false;
    }
  }

  private async pause(): Promise<void> {
    const { parts } = this;
    parts.onProgress?.(this.done);
    if (parts.isRehearsal) return;
    if (!parts.isUrgent()) await Bun.sleep(PAUSE_MS);
    parts.check(Part.images);
  }
}

/** Removes the folder of a day if nothing is left in it. */
function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Something is left in it, or it is gone.
  }
}

/** One entry for each day: cameras of the same day are put together. */
function joined(days: readonly PrunedDay[]): PrunedDay[] {
  const byDate = new Map<string, PrunedDay>();
  for (const day of days) {
    const before = byDate.get(day.date);
    const cameras = [...(before?.cameras ?? []), ...(day.cameras ?? [])].toSorted();
    const ends = [before?.until, day.until].filter((until) => until !== undefined).toSorted();
    byDate.set(day.date, {
      date: day.date,
      cameras: day.cameras === undefined ? undefined : [...new Set(cameras)],
      until: ends.at(-1),
    });
  }
  return [...byDate.values()].toSorted((a, b) => (a.date < b.date ? -1 : 1));
}
