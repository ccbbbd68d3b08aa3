/**
 * What each day has, over all hubs.
 *
 * @module
 */

import type { DaySummary } from "../page/answers.ts";
import type { FleetHub } from "./hub.ts";
import { joined } from "./name.ts";

/** How many days are counted before the first answer. The others follow. */
const FIRST_DAYS = 62;

/** How long an answer waits for that, in milliseconds. */
const WAIT_MS = 1500;

/** Summaries that are read at a time until then. The store's other places are for pictures. */
const FIRST_AT_ONCE = 16;

/** Days that are counted at a time, once there was an answer. */
const AT_ONCE = 4;

/** The calendar of all hubs. */
export class Calendar {
  private counting: Promise<void> | undefined;

  /** All days, the earliest first. Those whose numbers are not known yet say so. */
  async of(hubs: readonly FleetHub[]): Promise<DaySummary[]> {
    const dates = [...new Set(hubs.flatMap(({ folder }) => [...folder.days.keys()]))].toSorted();
    const newest = dates.slice(-FIRST_DAYS).toReversed();
    const first = each(newest, hubs, FIRST_AT_ONCE, async (date, { folder }) =>
      folder.loadSummary(date),
    );
    const late = Bun.sleep(WAIT_MS);
    await Promise.race([first.catch(() => undefined), late]);
    const days = dates.map((date) => summaryOf(date, hubs));
    if (days.some(({ counted }) => counted === false)) this.count(dates.toReversed(), hubs);
    return days;
  }

  /** Counts the other days, the latest first. */
  private count(dates: readonly string[], hubs: readonly FleetHub[]): void {
    this.counting ??= countAll(dates, hubs)
      // The next answer begins again.
      .catch(() => undefined)
      .finally(() => (this.counting = undefined));
  }
}

async function countAll(dates: readonly string[], hubs: readonly FleetHub[]): Promise<void> {
  await each(dates, hubs, AT_ONCE, async (date, hub) => {
    if (partOf(date, hub) !== undefined) return;
    await hub.folder.loadSummary(date);
    if (hub.folder.summariesOf(date) === undefined) await hub.images.count(date);
  });
}

/** Does something for each day of each hub, one day after the other, and so many at a time. */
async function each(
  dates: readonly string[],
  hubs: readonly FleetHub[],
  atOnce: number,
  action: (date: string, hub: FleetHub) => Promise<void>,
): Promise<void> {
  const work = dates.flatMap((date) => hubs.map((hub) => [date, hub] as const)).values();
  const some = async (): Promise<void> => {
    for (const [date, hub] of work) await action(date, hub);
  };
  await Promise.all(Array.from({ length: atOnce }, some));
}

/** What a hub has of a day. */
type DayCount = Pick<DaySummary, "images" | "bytes" | "events" | "cameras">;

const NOTHING: DayCount = { images: 0, bytes: 0, events: 0, cameras: [] };

/** @returns undefined if it is not known */
function partOf(date: string, { folder, images, events }: FleetHub): DayCount | undefined {
  const parts = folder.days.get(date);
  if (parts === undefined) return NOTHING;
  const summaries = folder.summariesOf(date);
  if (summaries !== undefined) return summaries.reduce(plus, NOTHING);
  const count = parts.hasImages ? images.countOf(date) : NOTHING;
  return count && { ...count, events: events.countOf(date) };
}

function plus(a: DayCount, b: DayCount): DayCount {
  return {
    images: a.images + b.images,
    bytes: a.bytes + b.bytes,
    events: a.events + b.events,
    cameras: [...a.cameras, ...b.cameras],
  };
}

function summaryOf(date: string, hubs: readonly FleetHub[]): DaySummary {
  const parts = hubs.map((hub) => ({ hub, part: partOf(date, hub) }));
  const cameras = new Map<string, { name: string; images: number; bytes: number }>();
  for (const { hub, part } of parts)
    for (const { name, images, bytes } of part?.cameras ?? []) {
      const own = joined(hub.name, name);
      const known = cameras.get(own) ?? { name: own, images: 0, bytes: 0 };
      cameras.set(own, { name: own, images: known.images + images, bytes: known.bytes + bytes });
    }
  const { images, bytes, events } = parts.map(({ part }) => part ?? NOTHING).reduce(plus, NOTHING);
  return {
    date,
    ...(parts.some(({ part }) => part === undefined) && { counted: false }),
    images,
    bytes,
    events,
    protected: 0,
    archived: null,
    cameras: [...cameras.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    pruned: [],
  };
}
