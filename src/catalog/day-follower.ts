/**
 * Finds the new images of one day: by the names that the watch of its folder tells, and by reading
 * the folder, as a watch may lose some.
 *
 * @module
 */

import { existsSync, statSync } from "node:fs";
import { SystemError } from "../os/ffi.ts";
import { Folder } from "../os/folder.ts";
import { type ImageFileName, parseImageFileName } from "../protocol/names.ts";
import type { FolderWatch } from "./folder-watch.ts";
import { Known, NameTable } from "./name-table.ts";

/** An image that the hub has stored. */
export interface StoredImage {
  /** The name of its folder, such as `2018-12-30`. */
  readonly date: string;
  readonly name: string;
  readonly camera: string;
  /** Local time of day, in microseconds since midnight. */
  readonly micros: number;
}

/** Names that are read without a pause: some 5 ms. */
const SLICE = 2048;

/** Reading the folder takes one part in so many of the time, however often it changes. */
const REST = 50;

/** The kernel forgets names if so many wait (`fs.inotify.max_queued_events`). */
const QUEUE = 16_384;

/** The images of a day, from when it is followed. */
export class DayFollower implements Disposable {
  private readonly table = new NameTable();
  private waiting: (StoredImage & ImageFileName)[] = [];
  private reading: Generator<string> | undefined;
  private timer: NodeJS.Immediate | undefined;
  /** Whether to read the folder once more after this time. */
  private again = false;
  private readMs = 0;
  private nextMs = 0;
  private modified: bigint | undefined;
  private isSettled = false;
  /** A name that was read, and that the watch must tell until the next check, if it works. */
  private expected: string | undefined;
  private heardCount = 0;

  /**
   * @param path of its folder, which may be missing
   * @param onWaiting is told when there is something for {@link take}
   */
  constructor(
    readonly date: string,
    private readonly path: string,
    private readonly onWaiting: () => void,
    private readonly onProblem: (error: unknown) => void,
  ) {}

  /** What is there now is not new, unless the watch tells it. @throws {SystemError} */
  skipPresent(): void {
    for (const name of this.names()) {
      const parsed = parseImageFileName(name, this.date);
      if (parsed !== undefined && this.table.get(parsed) === Known.no)
        this.table.set(parsed, Known.before);
    }
  }

  /** A name that the watch tells: it was made, or removed. */
  heard(name: string): void {
    this.heardCount++;
    if (name === this.expected) this.expected = undefined;
    const parsed = parseImageFileName(name, this.date);
    if (parsed === undefined || this.table.get(parsed) === Known.told) return;
    this.waiting.push(Object.assign(parsed, { date: this.date, name }));
    this.onWaiting();
  }

  /** The images that are new, and there, each once. */
  take(): StoredImage[] {
    const { waiting } = this;
    this.waiting = [];
    return waiting.filter((image) => {
      if (this.table.get(image) === Known.told || !existsSync(`${this.path}/${image.name}`))
        return false;
      this.table.set(image, Known.told);
      return true;
    });
  }

  /**
   * Reads the folder if it has changed. Once more after that: its time may be coarse. If the watch
   * has missed something, it is renewed.
   *
   * @throws {Error} of node:fs
   */
  check(watch: FolderWatch): void {
    const isNew = watch.check();
    if (isNew || this.expected !== undefined) {
      if (!isNew) watch.renew();
      this.read();
      return;
    }
    const mayHaveLost = this.heardCount >= QUEUE;
    this.heardCount = 0;
    const modified = statSync(this.path, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
    if (modified === undefined || (modified === this.modified && this.isSettled)) return;
    if (performance.now() < this.nextMs && !mayHaveLost) return;
    this.isSettled = modified === this.modified;
    this.modified = modified;
    this.read(true);
  }

  /** Whether the folder is being read. */
  get isReading(): boolean {
    return this.reading !== undefined;
  }

  /** Reads the folder, in slices. @param isWatched whether the watch tells each name, too */
  read(isWatched = false): void {
    this.expected = undefined;
    if (this.reading !== undefined) {
      this.again = true;
      return;
    }
    this.reading = this.names();
    this.readMs = 0;
    const found: (StoredImage & ImageFileName)[] = [];
    const step = (): void => {
      const began = performance.now();
      const isDone = this.slice(found);
      this.readMs += performance.now() - began;
      if (isDone) this.finish(found, isWatched);
      else this.timer = setImmediate(step);
    };
    step();
  }

  /** @returns whether the folder is read */
  private slice(found: (StoredImage & ImageFileName)[]): boolean {
    const { date, table, reading } = this;
    try {
      for (let count = 0; count < SLICE; count++) {
        const next = reading?.next();
        if (next === undefined || next.done === true) return true;
        const name = next.value;
        const parsed = parseImageFileName(name, date);
        if (parsed !== undefined && table.get(parsed) === Known.no)
          found.push(Object.assign(parsed, { date, name }));
      }
      return false;
    } catch (error) {
      this.onProblem(error);
      return true;
    }
  }

  private finish(found: (StoredImage & ImageFileName)[], isWatched: boolean): void {
    this.reading = undefined;
    this.nextMs = performance.now() + REST * this.readMs;
    const missed = found.filter((image) => this.table.get(image) === Known.no);
    if (missed.length > 0) {
      if (isWatched) this.expected = this.unheard(missed);
      this.waiting.push(...missed);
      this.onWaiting();
    }
    if (!this.again) return;
    this.again = false;
    this.read();
  }

  /** One of these that the watch has not told yet. */
  private unheard(images: readonly StoredImage[]): string | undefined {
    const waiting = new Set(this.waiting.map(({ name }) => name));
    return images.findLast(({ name }) => !waiting.has(name))?.name;
  }

  /** The names in the folder; none if it is missing. @throws {SystemError} */
  private *names(): Generator<string> {
    try {
      // A dot, as the folder may be a link to one.
      using folder = Folder.open(`${this.path}/.`);
      yield* folder.eachName();
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== "ENOENT") throw error;
    }
  }

  [Symbol.dispose](): void {
    clearImmediate(this.timer);
    this.reading?.return(undefined);
    this.reading = undefined;
    this.waiting = [];
  }
}
