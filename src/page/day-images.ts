/**
 * The images of a day as a list of any length, of which only the pages that are looked at are asked
 * for and kept.
 *
 * @module
 */

import { batch, signal } from "@preact/signals";
import type { Image, ImageList, LiveImage } from "./answers.ts";
import { dayPath, withQuery } from "./api.ts";
import { ask } from "./hub.ts";

/** Images in a page. */
const PAGE = 200;

/** Pages that are kept: 16,000 images, some 3 MB. */
const PAGES_MAX = 80;

/** Browsers open some six connections to a host. Pictures and the live stream need some, too. */
const REQUESTS_MAX = 3;

/** Who drags the scroll bar passes many pages. They are asked for at most this often. */
const CALM_MS = 80;

interface Page {
  images: readonly Image[];
  /** It is asked for once more, as more may have come. It is shown meanwhile. */
  isStale: boolean;
}

/** The images of one day and some of its cameras, in the order of their times. */
export class DayImages {
  /** How many there are; undefined until the first answer. */
  readonly total = signal<number | undefined>();
  /** Rises when {@link at} may know more. */
  readonly version = signal(0);
  /** The least lately used page first. */
  private readonly pages = new Map<number, Page>();
  private readonly underWay = new Map<number, AbortController>();
  private shown: readonly [first: number, last: number] = [0, 0];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private showedMs = 0;
  private seeking = 0;
  /** What was asked for before anybody sought it. */
  private early: { readonly time: string; readonly list: Promise<ImageList> } | undefined;

  /** @param cameras all, if there are none */
  constructor(
    readonly date: string,
    readonly cameras: readonly string[],
  ) {}

  /** An image. @returns undefined if it is not there, or not yet */
  at(index: number): Image | undefined {
    return this.pages.get(Math.floor(index / PAGE))?.images[index % PAGE];
  }

  /**
   * Finds a time in the list, and the images around it.
   *
   * @param onPlace is told how many images come before, if the hub says
   */
  async seek(time: string, onPlace: (index: number) => void): Promise<void> {
    this.seeking++;
    const { early } = this;
    this.early = undefined;
    const asked = early?.time === time ? early.list : this.askAt(time);
    const list = await asked.catch(() => undefined);
    this.seeking--;
    if (list === undefined) return;
    const page = list.offset / PAGE;
    this.shown = [page, page];
    batch(() => {
      this.keep(list, false);
      onPlace(list.place!);
    });
  }

  /** Asks for a time that will be sought soon. */
  askEarly(time: string): void {
    const list = this.askAt(time);
    // Whoever seeks it later asks again.
    list.catch(() => (this.early = undefined));
    this.early = { time, list };
  }

  private async askAt(time: string): Promise<ImageList> {
    return await this.ask({ camera: this.cameras, at: time, limit: PAGE });
  }

  /** Sees to it that these will be there. Pages that were wanted before are wanted no more. */
  show(first: number, last: number): void {
    this.shown = [Math.max(0, Math.floor(first / PAGE)), Math.max(0, Math.floor(last / PAGE))];
    if (this.timer !== undefined) return;
    const sinceMs = performance.now() - this.showedMs;
    this.timer = setTimeout(() => this.changeShown(), Math.max(0, CALM_MS - sinceMs));
  }

  private changeShown(): void {
    this.timer = undefined;
    this.showedMs = performance.now();
    for (const [page, abort] of this.underWay) if (!this.isShown(page)) abort.abort();
    this.fetchShown();
  }

  /** Takes in what has arrived, as far as it is of this list. */
  arrived(all: readonly LiveImage[]): void {
    const { date, cameras } = this;
    const [earliest] = all
      .filter((image) => image.date === date)
      .filter(({ camera }) => cameras.length === 0 || cameras.includes(camera))
      .map(({ time }) => time)
      .toSorted();
    if (earliest !== undefined) this.refresh(earliest);
  }

  /**
   * More images have come, or their protection has changed.
   *
   * @param from the time of the earliest of them. What is after it has another place now; that may
   *   be much, as hubs are in different zones, or were away
   */
  refresh(from = ""): void {
    const last = Math.floor(Math.max(0, (this.total.peek() ?? 0) - 1) / PAGE);
    for (const [page, kept] of this.pages)
      if (page >= last || (kept.images.at(-1)?.time ?? from) >= from) kept.isStale = true;
    if (!this.isFirstSought) void this.fetch(last);
    this.fetchShown();
  }

  /** Nothing is wanted any more. What is there stays. */
  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const abort of this.underWay.values()) abort.abort();
  }

  /** Nobody wants the first page of a day that is looked at from noon on. */
  private get isFirstSought(): boolean {
    return this.seeking > 0 && this.total.peek() === undefined;
  }

  private isShown(page: number): boolean {
    return this.shown[0] <= page && page <= this.shown[1];
  }

  private fetchShown(): void {
    if (this.isFirstSought) return;
    const total = this.total.peek() ?? 1;
    for (let page = this.shown[0]; page <= this.shown[1] && page * PAGE < total; page++) {
      const kept = this.pages.get(page);
      if (kept !== undefined) {
        this.pages.delete(page);
        this.pages.set(page, kept);
      }
      if (kept === undefined || kept.isStale) void this.fetch(page);
    }
  }

  private async fetch(page: number): Promise<void> {
    if (this.underWay.has(page) || this.underWay.size >= REQUESTS_MAX) return;
    const abort = new AbortController();
    this.underWay.set(page, abort);
    const kept = this.pages.get(page);
    // What comes from now on may not be in the answer.
    if (kept !== undefined) kept.isStale = false;
    const query = { camera: this.cameras, offset: page * PAGE, limit: PAGE };
    try {
      const list = await this.ask(query, { signal: abort.signal });
      batch(() => this.keep(list, kept?.isStale === true));
    } catch {
      // The view says what is wrong with the hub, and asks again after it.
      if (!abort.signal.aborted) return;
    } finally {
      this.underWay.delete(page);
    }
    this.fetchShown();
  }

  private async ask(query: Parameters<typeof withQuery>[1], init?: RequestInit) {
    const path = withQuery(dayPath(this.date, "images"), query);
    return await ask<ImageList>(path, init);
  }

  private keep({ total, offset, images }: ImageList, isStale: boolean): void {
    this.pages.set(offset / PAGE, { images, isStale });
    for (const [oldest] of this.pages) if (this.pages.size > PAGES_MAX) this.pages.delete(oldest);
    this.total.value = total;
    this.version.value++;
  }
}

/** The last one, so that going back from an image finds it as it was. */
let last: DayImages | undefined;

/** The images of a day and cameras. */
export function dayImages(date: string, cameras: readonly string[]): DayImages {
  if (last?.date !== date || last.cameras.join("/") !== cameras.join("/"))
    last = new DayImages(date, cameras);
  return last;
}
