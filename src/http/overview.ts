/**
 * What the main thread knows about the hub: nodes and their activity, failures, and parts that are
 * down.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import { Calendar, type LocalTime, systemClock } from "../protocol/calendar.ts";
import type { Settings } from "../config/schema.ts";
import type { ForgottenNode, NodeRow } from "../shared/messages.ts";
import type { OutletState } from "../shared/outlet-state.ts";
import { DataDirectory, isImageFile } from "../store/data-directory.ts";
import { DataGuard } from "../store/data-guard.ts";
import { imagesOfDay } from "../store/date-folders.ts";
import { DiskProbe } from "../store/disk-probe.ts";
import type { ActivityMessage } from "../shared/messages.ts";
import type { Liveness } from "../shared/liveness.ts";
import { Counter, type Shared } from "../shared/memory.ts";
import { ArchiveState } from "./archive-state.ts";
import { ageNotice, type Certificate } from "./certificate.ts";
import { Kept } from "./kept.ts";
import { Replication } from "./replication.ts";
import { StoringThreads } from "../shared/storing-threads.ts";

/** How long counting today's images may take, in milliseconds. */
const COUNT_MS_MAX = 2000;

/** A failure. */
export interface Trouble {
  readonly reason: string;
  /** When it last happened; by `performance.now`, in milliseconds. */
  readonly atMs: number;
}

/** The state of the hub, as the main thread knows it. */
export class Overview {
  /** When the hub was created, in milliseconds since 1970 and by `performance.now`. */
  readonly startedAtMs = Date.now();
  readonly startedMs = performance.now();
  /** By {@link NodeRow.place}. */
  readonly nodes: NodeRow[] = [];
  /** The nodes that were forgotten, in this run or an earlier one. */
  forgotten: readonly ForgottenNode[] = [];
  /**
   * The latest failures, by what was tried: an image, an event, a flush. The next success removes
   * one.
   */
  readonly troubles = new Map<string, Trouble>();
  /** Parts that have ended and wait for a replacement. */
  readonly down = new Set<string>();
  /** What is kept, and what is wrong with the rules for it. */
  readonly kept = new Kept();
  readonly archive = new ArchiveState();
  readonly replication = new Replication();
  /** What the HTTP listener shows; undefined without TLS. */
  certificate: Certificate | undefined;
  /** Since when the hub drains, in milliseconds since 1970; undefined while it is in service. */
  drainingSinceMs: number | undefined;
  /** How those do that are told what is stored. */
  outlets: readonly OutletState[] = [];
  readonly guard: DataGuard;
  readonly disk: DiskProbe;
  readonly storing: StoringThreads;
  private counting: { readonly date: string; readonly count: Promise<number> } | undefined;
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

  /**
   * What a person should know: that the hub drains, and about the rules for what is kept, the disk,
   * the archive, replication and the certificate.
   */
  get notices(): string[] {
    const { certificate, archive, replication } = this;
    const age = certificate && ageNotice(certificate, Date.now());
    const draining =
      this.drainingSinceMs === undefined
        ? undefined
        : "The hub drains: it lets its cameras go to other hubs. imagehub drain --off ends that";
    const notices = [draining, ...this.kept.notices, archive.problem, replication.notice, age];
    return notices.filter((notice) => notice !== undefined);
  }

  /** Takes in a message from the receiver. */
  update({ nodes, count, outcomes }: ActivityMessage): void {
    for (const node of nodes) this.nodes[node.place] = node;
    this.nodes.length = count;
    const { bucket, ...others } = outcomes;
    if (bucket !== undefined) this.replication.refused(bucket);
    for (const [what, reason] of Object.entries(others)) this.note(what, reason);
  }

  /** Notes an outcome. @param reason why it failed; null if it succeeded */
  note(what: string, reason: string | null): void {
    if (reason === null) this.troubles.delete(what);
    else this.troubles.set(what, { reason, atMs: performance.now() });
  }

  /** Counts since the hub's start, by the names of {@link Counter}. */
  get totals(): Record<keyof typeof Counter, number> {
    const { counters } = this.shared;
    const entries = Object.entries(Counter).map(([name, index]) => [name, counters[index]!]);
    return Object.fromEntries(entries) as Record<keyof typeof Counter, number>;
  }

  /** The current local time. */
  get today(): LocalTime {
    return this.calendar.local(this.calendar.now());
  }

  /** Images in today's date folder. */
  async imagesToday(): Promise<number> {
    const { today } = this;
    const known = imagesOfDay(this.shared, today.day);
    if (known !== undefined) return known;
    // No image has come today since the start, so at most an earlier run has stored some. Count
    // a day only once at a time: on a disk that does not respond, counting does not end.
    if (this.counting?.date !== today.date) this.counting = this.startCounting(today.date);
    return await Promise.race([this.counting.count, Bun.sleep(COUNT_MS_MAX).then(() => 0)]);
  }

  private startCounting(date: string): NonNullable<Overview["counting"]> {
    const count = this.countImages(date).finally(() => {
      if (this.counting?.date === date) this.counting = undefined;
    });
    return { date, count };
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
