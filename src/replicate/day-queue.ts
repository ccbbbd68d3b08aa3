/**
 * The images of one day that are not in the bucket yet, in the order of their times.
 *
 * @module
 */

import { Known, NameTable } from "../catalog/name-table.ts";
import type { Settings } from "../config/schema.ts";
import { parseImageFileName } from "../protocol/names.ts";

/** An image that is to be put into the bucket. */
export interface WaitingImage {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** In milliseconds since 1970. */
  readonly storedMs: number;
}

/** What waits, as people are told. */
export interface Lag {
  readonly images: number;
  readonly bytes: number;
  /** When the oldest was stored, in milliseconds since 1970; infinite if none waits. */
  readonly oldestMs: number;
}

/** Nothing waits. */
export const NO_LAG: Lag = { images: 0, bytes: 0, oldestMs: Number.POSITIVE_INFINITY };

/** What is taken first. */
export type Order = Settings["replicate"]["order"];

/** Images before the first one that are forgotten together. */
const FORGET = 4096;

/** The queue of one day. */
export class DayQueue {
  private images: WaitingImage[] = [];
  /** Where the first image is. */
  private first = 0;
  private bytes = 0;
  /** Images that are on their way. */
  private readonly taken = new Set<WaitingImage>();
  /** Images that cannot be put now. */
  private aside: WaitingImage[] = [];
  /** Images that could not be put before. They come after all others, so that they hold up none. */
  private again: WaitingImage[] = [];

  /**
   * @param known the names that were met: each is taken in once
   */
  constructor(
    readonly date: string,
    private readonly known = new NameTable(),
  ) {}

  /** Takes an image in, unless its name was met before. @returns whether it did */
  add(image: WaitingImage): boolean {
    const parsed = parseImageFileName(image.name, this.date);
    if (parsed === undefined || this.known.get(parsed) !== Known.no) return false;
    this.known.set(parsed, Known.told);
    this.images.push(image);
    this.bytes += image.size;
    return true;
  }

  /** Takes the next one out. It still waits until {@link done}. */
  take(order: Order): WaitingImage | undefined {
    const image = this.first === this.images.length ? this.again.shift() : this.next(order);
    if (this.first === FORGET) {
      this.images.splice(0, FORGET);
      this.first = 0;
    }
    if (image !== undefined) this.taken.add(image);
    return image;
  }

  private next(order: Order): WaitingImage | undefined {
    return order === "newest" ? this.images.pop() : this.images[this.first++];
  }

  /**
   * Takes an image out before its turn. It still waits until {@link done}.
   *
   * @returns undefined if it is on its way already, or was
   */
  claim(image: WaitingImage): WaitingImage | undefined {
    this.add(image);
    const at = this.images.findLastIndex(({ name }) => name === image.name);
    if (at < this.first) return undefined;
    const [found] = this.images.splice(at, 1);
    if (found !== undefined) this.taken.add(found);
    return found;
  }

  /** An image that was taken out waits no more. */
  done(image: WaitingImage): void {
    this.taken.delete(image);
    this.bytes -= image.size;
  }

  /** An image that was taken out waits as before. */
  giveBack(image: WaitingImage): void {
    this.taken.delete(image);
    this.images.push(image);
  }

  /** An image that was taken out cannot be put now. It comes back with {@link comeBack}. */
  setAside(image: WaitingImage): void {
    this.taken.delete(image);
    this.aside.push(image);
  }

  /** What was set aside waits again. */
  comeBack(): void {
    this.again = [...this.again, ...this.aside];
    this.aside = [];
  }

  /** Removes images that wait, and that are in the bucket by now. */
  remove(names: ReadonlySet<string>): void {
    const gone = (image: WaitingImage): boolean => names.has(image.name);
    for (const image of this.images.slice(this.first)) if (gone(image)) this.bytes -= image.size;
    this.images = this.images.slice(this.first).filter((image) => !gone(image));
    this.first = 0;
  }

  /** Those that wait and are not on their way. */
  get waiting(): readonly WaitingImage[] {
    return this.images.slice(this.first);
  }

  /** Whether any image is on its way. */
  get isBusy(): boolean {
    return this.taken.size > 0;
  }

  get lag(): Lag {
    const { images, taken, aside, again, first, bytes } = this;
    let oldestMs = images[first]?.storedMs ?? Number.POSITIVE_INFINITY;
    for (const some of [taken, aside, again])
      for (const { storedMs } of some) oldestMs = Math.min(oldestMs, storedMs);
    const count = images.length - first + taken.size + aside.length + again.length;
    return { images: count, bytes, oldestMs };
  }
}
