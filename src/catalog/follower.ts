/**
 * Tells what the hub stores from now on, images and events, by looking only at the files. The hub
 * does nothing for it.
 *
 * Each folder of a day is watched, but only the names in that of today are told: it is another one
 * after midnight, or when the clock was set. What a watch misses is found by reading the folder.
 *
 * @module
 */

import { readdirSync, statSync } from "node:fs";
import { messageOf } from "../errors.ts";
import { type DataDirectory, dayOf } from "../store/data-directory.ts";
import { readRecord } from "../store/log-files.ts";
import { DayFollower, type StoredImage } from "./day-follower.ts";
import { FolderWatch } from "./folder-watch.ts";
import { LogTail } from "./log-tail.ts";

/** A line of the event log. */
export interface StoredEvent {
  /** In local time, such as `2018-12-30 13:45:07,123`. */
  readonly at: string;
  readonly text: string;
  /** Whether the hub itself says it, and no camera. */
  readonly isHub: boolean;
}

/** Who is told what. A callback may dispose the follower. */
export interface FollowerOptions {
  /** The local date of now, such as `2018-12-30`. */
  today(): string;
  /** Is told each image once; those that are seen together, in the order of their times. */
  onImage(image: StoredImage): void;
  /** Is told each line of the event log once, in their order. */
  onEvent(event: StoredEvent): void;
  /** Is told what cannot be read or watched, once for as long as it lasts. */
  onProblem?(message: string): void;
  /** How often to look for what the watches have missed; default 5 s. */
  readonly pollMs?: number;
}

const POLL_MS = 5000;

/**
 * What is stored within so many milliseconds after something was told is told together. It costs a
 * third of telling one by one at hundreds a second.
 */
const GATHER_MS = 25;

/** How long a day is followed when it is over: its last images may still come. */
const OVER_MS = 60_000;

/** Follows a data directory. */
export class Follower implements Disposable {
  private readonly images: FolderWatch;
  private readonly logs: FolderWatch;
  private readonly tail: LogTail;
  /** The watches of the folders of all days. */
  private readonly folders = new Map<string, FolderWatch>();
  /** Today, and what was today a moment ago. */
  private readonly days = new Map<string, { day: DayFollower; untilMs: number }>();
  /** The days whose folders have images that are not new. */
  private readonly old = new Set<string>();
  private today = "";
  /** Whether it is known which folders were there at the start. */
  private isListed = false;
  private imagesModified: bigint | undefined;
  private timer: NodeJS.Timeout | undefined;
  private soon: Timer | undefined;
  private toldMs = Number.NEGATIVE_INFINITY;
  private problems = new Set<string>();
  private lasting = new Set<string>();
  private isLogTouched = false;
  private isClosed = false;

  constructor(
    private readonly directory: DataDirectory,
    private readonly options: FollowerOptions,
  ) {
    this.images = new FolderWatch(directory.images, (name) => {
      if (dayOf(name) !== undefined) this.attempt(() => this.folderChanged(name));
    });
    this.tail = new LogTail(directory, (line) => this.tell(line));
    const touched = (name: string): void => {
      if (!directory.eventLog.endsWith(`/${name.slice(0, LOG_NAME)}`)) return;
      this.isLogTouched = true;
      this.tellSoon();
    };
    this.logs = new FolderWatch(directory.logs, touched, true);
  }

  /** Begins. What is there now is not told; what comes after this is. */
  start(): void {
    this.attempt(() => this.images.renew());
    this.attempt(() => this.logs.renew());
    this.attempt(() => this.tail.start());
    this.attempt(() => this.list());
    this.attempt(() => this.follow());
    this.timer = setInterval(() => this.poll(), this.options.pollMs ?? POLL_MS);
  }

  /**
   * Tells what is left, and follows no more. Nothing may be stored any more.
   *
   * @returns when everything is told
   */
  async finish(): Promise<void> {
    clearInterval(this.timer);
    // What was told by no watch yet.
    for (const { day } of this.days.values()) this.attempt(() => day.read());
    while ([...this.days.values()].some(({ day }) => day.isReading)) await Bun.sleep(1);
    this.attempt(() => this.tellImages());
    this.attempt(() => this.tail.read());
    this[Symbol.dispose]();
  }

  private poll(): void {
    const { days, folders } = this;
    this.attempt(() => this.list());
    this.attempt(() => this.follow());
    for (const [date, { day, untilMs }] of days) {
      this.attempt(() => day.check(this.folder(date)));
      if (performance.now() < untilMs) continue;
      day[Symbol.dispose]();
      days.delete(date);
      if (folders.has(date)) this.old.add(date);
    }
    this.attempt(() => this.logs.check());
    this.isLogTouched = true;
    this.tellSoon();
    this.problems = this.lasting;
    this.lasting = new Set();
  }

  /** Watches the folders that are there. @throws {Error} of node:fs */
  private list(): void {
    const { directory, folders, images } = this;
    if (images.check()) {
      // Another disk may be there.
      for (const watch of folders.values()) watch[Symbol.dispose]();
      folders.clear();
      this.imagesModified = undefined;
    }
    const found = statSync(directory.images, { bigint: true, throwIfNoEntry: false });
    const isFirst = !this.isListed;
    if (found === undefined) this.isListed = true;
    if (found === undefined || found.mtimeNs === this.imagesModified) return;
    const dates = new Set(readdirSync(directory.images).filter((name) => dayOf(name)));
    this.imagesModified = found.mtimeNs;
    this.isListed = true;
    if (isFirst) for (const date of dates) this.old.add(date);
    for (const date of folders.keys()) if (!dates.has(date)) this.folderChanged(date);
    for (const date of dates) if (!folders.has(date)) this.watchAnew(date);
  }

  /** A folder of a day was made, removed or moved. @throws {Error} of node:fs */
  private folderChanged(date: string): void {
    // Nothing in it is old.
    this.old.delete(date);
    const path = this.directory.dateFolder(date);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) {
      this.watchAnew(date);
      this.follow();
    } else {
      this.folders.get(date)?.[Symbol.dispose]();
      this.folders.delete(date);
    }
  }

  private watchAnew(date: string): void {
    this.attempt(() => this.folder(date).renew());
    this.days.get(date)?.day.read();
  }

  private folder(date: string): FolderWatch {
    let watch = this.folders.get(date);
    if (watch === undefined) {
      watch = new FolderWatch(this.directory.dateFolder(date), (name) => this.heard(date, name));
      this.folders.set(date, watch);
    }
    return watch;
  }

  private heard(date: string, name: string): void {
    // The clock may just have been set.
    if (!this.days.has(date)) this.attempt(() => this.follow());
    this.days.get(date)?.day.heard(name);
  }

  /** Follows the day that is today. @throws {SystemError} */
  private follow(): void {
    const { days, directory } = this;
    const today = this.options.today();
    const known = days.get(today);
    if (today !== this.today) {
      const over = days.get(this.today);
      if (over !== undefined) over.untilMs = performance.now() + OVER_MS;
      this.today = today;
      if (known !== undefined) known.untilMs = Number.POSITIVE_INFINITY;
    }
    if (known !== undefined) return;
    const day = new DayFollower(
      today,
      directory.dateFolder(today),
      () => this.tellSoon(),
      (error) => this.problem(error),
    );
    // If it cannot be read, it is tried again, and nothing in it is told until then.
    if (this.old.has(today)) day.skipPresent();
    else day.read();
    this.old.delete(today);
    days.set(today, { day, untilMs: Number.POSITIVE_INFINITY });
  }

  private tellSoon(): void {
    this.soon ??= setTimeout(
      () => {
        this.soon = undefined;
        this.toldMs = performance.now();
        this.attempt(() => this.tellImages());
        if (this.isLogTouched) {
          this.isLogTouched = false;
          this.attempt(() => this.tail.read());
        }
      },
      Math.max(0, this.toldMs + GATHER_MS - performance.now()),
    );
  }

  private tellImages(): void {
    const images = [...this.days.values()].flatMap(({ day }) => day.take());
    images.sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : a.micros - b.micros));
    for (const { date, name, camera, micros } of images)
      this.attempt(() => this.options.onImage({ date, name, camera, micros }));
  }

  private tell(line: string): void {
    const record = readRecord(line);
    if (record === undefined) return;
    const { date, time, text } = record;
    const isHub = !text.includes("|");
    this.attempt(() => this.options.onEvent({ at: `${date} ${time}`, text, isHub }));
  }

  private attempt(action: () => void): void {
    if (this.isClosed) return;
    try {
      action();
    } catch (error) {
      this.problem(error);
    }
  }

  private problem(error: unknown): void {
    const message = messageOf(error);
    const isNew = !this.problems.has(message) && !this.lasting.has(message);
    this.lasting.add(message);
    if (isNew) this.options.onProblem?.(message);
  }

  [Symbol.dispose](): void {
    this.isClosed = true;
    clearInterval(this.timer);
    clearTimeout(this.soon);
    for (const watch of [this.images, this.logs, ...this.folders.values()]) watch[Symbol.dispose]();
    for (const { day } of this.days.values()) day[Symbol.dispose]();
    this.folders.clear();
    this.days.clear();
  }
}

/** Characters of `imagehub.log`, with which dated logs begin, too. */
const LOG_NAME = "imagehub.log".length;
