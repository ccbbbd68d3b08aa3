/**
 * What the main thread knows of the hub, for whoever asks: the nodes and their activity, what could
 * not be stored, and which parts are down.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import { Calendar, type LocalTime, systemClock } from "../protocol/calendar.ts";
import type { Settings } from "../config/schema.ts";
import type { NodeRow } from "../shared/messages.ts";
import { DataDirectory, isImageFile } from "../store/data-directory.ts";
import { DataGuard } from "../store/data-guard.ts";
import { imagesOfDay } from "../store/date-folders.ts";
import { DiskProbe } from "../store/disk-probe.ts";
import type { ActivityMessage } from "../shared/messages.ts";
import type { Liveness } from "../shared/liveness.ts";
import { Counter, type Shared } from "../shared/memory.ts";
import { StoringThreads } from "../shared/storing-threads.ts";

/** How long the images of today may take to be counted, in milliseconds. */
const COUNT_MS_MAX = 2000;

/** What has failed. */
export interface Trouble {
  readonly reason: string;
  /** When it did so last, in milliseconds of `performance.now`. */
  readonly atMs: number;
}

/** What the hub does, and how it fares. It belongs to the main thread. */
export class Overview {
  /** When the hub was made, in milliseconds since 1970, and of `performance.now`. */
  readonly startedAtMs = Date.now();
  readonly startedMs = performance.now();
  /** By their places. */
  readonly nodes: NodeRow[] = [];
  /** What failed when it was tried last, by what was tried: an image, an event, a flush. */
  readonly troubles = new Map<string, Trouble>();
  /** Parts that have ended and are to be replaced. */
  readonly down = new Set<string>();
  readonly guard: DataGuard;
  readonly disk: DiskProbe;
  readonly storing: StoringThreads;
  private counting: Promise<number> | undefined;
  private readonly calendar = new Calendar(systemClock);

  constructor(
    readonly settings: Settings,
    readonly shared: Shared,
    readonly liveness: Liveness,
  ) {
    this.guard = new DataGuard(new DataDirectory(settings.data_directory), shared);
    this.disk = new DiskProbe(this.guard);
    this.storing = new StoringThreads(shared, settings.writers);
  }

  /** Takes in what the receiver tells. */
  update({ nodes, outcomes }: ActivityMessage): void {
    for (const node of nodes) this.nodes[node.place] = node;
    for (const [what, reason] of Object.entries(outcomes)) this.note(what, reason);
  }

  /** Notes how something went. @param reason why it failed; null: it did not */
  note(what: string, reason: string | null): void {
    if (reason === null) this.troubles.delete(what);
    else this.troubles.set(what, { reason, atMs: performance.now() });
  }

  /** What the hub has counted since its start, by the names of {@link Counter}. */
  get totals(): Record<keyof typeof Counter, number> {
    const { counters } = this.shared;
    const entries = Object.entries(Counter).map(([name, index]) => [name, counters[index]!]);
    return Object.fromEntries(entries) as Record<keyof typeof Counter, number>;
  }

  /** The local time of now. */
  get today(): LocalTime {
    return this.calendar.local(this.calendar.now());
  }

  /** Images in today's date folder. */
  async imagesToday(): Promise<number> {
    const { today } = this;
    const known = imagesOfDay(this.shared, today.day);
    if (known !== undefined) return known;
    // No image has come today since the start, so there are those of an earlier run at most. One
    // look at a time, as on a disk that stalls it does not end.
    this.counting ??= this.countImages(today.date).finally(() => (this.counting = undefined));
    return await Promise.race([this.counting, Bun.sleep(COUNT_MS_MAX).then(() => 0)]);
  }

  private async countImages(date: string): Promise<number> {
    try {
      const names = await readdir(this.guard.directory.dateFolder(date));
      return names.filter(isImageFile).length;
    } catch {
      return 0;
    }
  }
}
