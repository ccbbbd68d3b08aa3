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
import { counted } from "../log/amounts.ts";
import type { Entry, Folder } from "../os/folder.ts";
import { type DataDirectory, Part } from "../store/data-directory.ts";
import { DataDirectoryGone } from "../store/data-guard.ts";
import type { Copies, HasCopy } from "./copies.ts";
import { type Enough, EnoughBytes } from "./enough.ts";
import type { Candidate, Deletion } from "./plan.ts";
import type { Reason } from "../catalog/record.ts";
import { NO_ROOM, type Room, roomOf, together } from "./space.ts";

/**
 * How many images are deleted in one go, and the pause after them, in milliseconds: 2,000 a second.
 * The disk has time for the cameras in between.
 */
const BATCH = 50;
const PAUSE_MS = 25;

/** How long others wait for their turn, in milliseconds. */
const TURN_MS = 50;

/** An hour, in microseconds: images are deleted by whole hours of a day. */
const HOUR = 3_600_000_000;

/**
 * After so many in succession that cannot be deleted, no more of the day are tried: then it is not
 * the files, but the folder.
 */
const FAILURES_MAX = 100;

/** What deleting needs to know of the outside. */
export interface PruneParts {
  readonly directory: DataDirectory;
  /** Whether the data directory is still the right one. @throws {DataDirectoryGone} if not */
  readonly check: (part: Part) => void;
  /** The protected images of a day, by name. */
  readonly protectedNames: (date: string) => ReadonlySet<string>;
  /** Given if only what has copies may go. */
  readonly copies: Pick<Copies, "has" | "lacks"> | undefined;
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
  /** What the disk gets back: an image that has another name takes no space of its own. */
  readonly freed: Room;
  /** Why it ended before its time: the data directory is not the one it was. */
  readonly error: unknown;
  /** The days with images that are gone, the earliest first. */
  readonly days: readonly PrunedDay[];
}

/** What is gone of one day. What went of other cameras at another time is another entry. */
export interface PrunedDay {
  readonly date: string;
  readonly images: number;
  readonly bytes: number;
  /** The cameras that have lost images; undefined if all of them were to. */
  readonly cameras: readonly string[] | undefined;
  /** The end of the last deleted hour, such as `14:00`; undefined if it is the end of the day. */
  readonly until: string | undefined;
}

/** What is gone so far, of all days and of one. */
interface Tally {
  images: number;
  bytes: number;
  readonly cameras: Set<string>;
  freed: Room;
  /** Images without a copy. */
  uncopied: number;
  /** Images that cannot be deleted: all of them, in succession, and why the first one cannot. */
  failed: number;
  failedNow: number;
  failure: string;
}

/** What is asked about an image, and where it is counted. */
interface Asked {
  readonly enough: Enough;
  readonly hasCopy: HasCopy | undefined;
  readonly gone: Tally;
}

/** Deletes what was decided. */
export class Pruner {
  private done = 0;
  private turnedMs = performance.now();

  constructor(private readonly parts: PruneParts) {}

  /**
   * Deletes the candidates in order until enough is gone. A file or a day that cannot be deleted is
   * reported, and the next one is tried.
   */
  async run(
    { reason, candidates, bytes: wanted }: Deletion,
    enough: Enough = new EnoughBytes(wanted),
  ): Promise<Pruned> {
    const sum = { images: 0, bytes: 0, freed: NO_ROOM };
    const days: PrunedDay[] = [];
    let error: unknown;
    for (const candidate of candidates) {
      const { date, cameras } = candidate;
      const gone: Tally = {
        images: 0,
        bytes: 0,
        cameras: new Set(),
        freed: NO_ROOM,
        uncopied: 0,
        failed: 0,
        failedNow: 0,
        failure: "",
      };
      let until: string | undefined;
      try {
        // It looks at the disk, which may fail like the rest.
        if (enough.isReached() || enough.isFutile() || this.parts.shouldStop()) break;
        until = await this.pruneDay(candidate, enough, gone);
      } catch (cause) {
        if (cause instanceof DataDirectoryGone) error = cause;
        // Nobody knows what is protected or copied of this day, so it stays.
        else this.parts.onFailure(`Cannot delete images of ${date}: ${messageOf(cause)}`);
      }
      this.reportRest(date, gone);
      sum.images += gone.images;
      sum.bytes += gone.bytes;
      sum.freed = together(sum.freed, gone.freed);
      if (gone.images > 0)
        days.push({
          date,
          images: gone.images,
          bytes: gone.bytes,
          cameras: cameras && [...gone.cameras].toSorted(),
          until,
        });
      if (error !== undefined) break;
    }
    return { reason, ...sum, error, days: days.toSorted((a, b) => (a.date < b.date ? -1 : 1)) };
  }

  /**
   * @param gone is counted up
   * @returns the end of the last hour that is gone; undefined if all hours are
   */
  private async pruneDay(
    { date, cameras }: Candidate,
    enough: Enough,
    gone: Tally,
  ): Promise<string | undefined> {
    const { parts } = this;
    parts.onProgress?.(this.done);
    const path = parts.directory.dateFolder(date);
    using folder = openIfThere(path);
    if (folder === undefined) return undefined;
    const kept = parts.protectedNames(date);
    // After both: what was opened and read before is in the right place.
    parts.check(Part.images);
    const hasCopy = await parts.copies?.has(date);
    const day = new Day(date, (take) => folder.takeNames(take));
    const meant = cameras && new Set(cameras);
    const isMeant = day.cameras.map((camera) => meant?.has(camera) !== false);
    let hour = -1;
    let isAll = true;
    for (let index = 0; index < day.count; index++) {
      if (!isMeant[day.cameraAt(index)]!) continue;
      const { name, micros } = day.at(index);
      const isNewHour = Math.floor(micros / HOUR) !== hour;
      const isLate =
        date > parts.until.date || (date === parts.until.date && micros >= parts.until.micros);
      if (
        isLate ||
        parts.shouldStop() ||
        gone.failedNow >= FAILURES_MAX ||
        (isNewHour && hour >= 0 && enough.isReached())
      ) {
        isAll = false;
        break;
      }
      if (kept.has(name)) continue;
      const entry = await this.remove(folder, name, { enough, hasCopy, gone });
      if (entry === undefined) {
        await this.turn();
        continue;
      }
      hour = Math.floor(micros / HOUR);
      gone.images++;
      gone.bytes += entry.size;
      gone.cameras.add(day.cameras[day.cameraAt(index)]!);
      if (entry.links <= 1) gone.freed = together(gone.freed, roomOf(entry));
      enough.add(entry);
      if (++this.done % BATCH !== 0) continue;
      await this.pause();
      if (!enough.isFutile()) continue;
      isAll = false;
      break;
    }
    if (isAll && !parts.isRehearsal) removeEmpty(path);
    return isAll || hour < 0 ? undefined : `${String(hour + 1).padStart(2, "0")}:00`;
  }

  /** Removes an image if it may go. @returns what it was; undefined if it stays, or is gone */
  private async remove(
    folder: Folder,
    name: string,
    { enough, hasCopy, gone }: Asked,
  ): Promise<Entry | undefined> {
    try {
      const entry = folder.entry(name);
      // Gone meanwhile, or something else with an image's name.
      if (entry?.isFile !== true || !enough.isWorth(entry)) return undefined;
      if (hasCopy !== undefined && !(await hasCopy(name, folder))) {
        gone.uncopied++;
        return undefined;
      }
      const isGone = this.parts.isRehearsal || folder.unlink(name);
      gone.failedNow = 0;
      return isGone ? entry : undefined;
    } catch (error) {
      if (error instanceof DataDirectoryGone) throw error;
      if (gone.failed++ === 0) gone.failure = messageOf(error);
      gone.failedNow++;
      return undefined;
    }
  }

  private reportRest(date: string, { uncopied, failed, failure }: Tally): void {
    const { onFailure, copies } = this.parts;
    const tell = (count: number, why: string): void => {
      if (count > 0) onFailure(`Cannot delete ${counted(count, "image")} of ${date}: ${why}`);
    };
    tell(failed, failure);
    tell(uncopied, copies?.lacks(date) ?? "");
  }

  /** Lets others have a turn while nothing is deleted: comparing with copies takes long. */
  private async turn(): Promise<void> {
    if (performance.now() - this.turnedMs < TURN_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.parts.onProgress?.(this.done);
    this.parts.check(Part.images);
    this.turnedMs = performance.now();
  }

  private async pause(): Promise<void> {
    const { parts } = this;
    this.turnedMs = performance.now();
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
