/**
 * The events of one hub: the log of a day that is over is one object, that of an open day has
 * parts.
 *
 * @module
 */

import { logMember } from "../archive/layout.ts";
import type { HubEvent } from "../page/answers.ts";
import { placeOfSegment } from "../replicate/layout.ts";
import { readLine } from "../view/events.ts";
import { dropFirst } from "./held.ts";
import type { HubFolder } from "./hub-folder.ts";
import { joined } from "./name.ts";

/** How often an open log is looked at for new parts, in milliseconds. */
const LOOK_MS = 5000;

/** Who asks waits so long for parts, in milliseconds. Then it sees those that are there. */
const WAIT_MS = 1500;

/** How much of logs may be in memory, in bytes of their text. */
const TEXT_BYTES_MAX = 32 * 2 ** 20;

/** Most events of which the hub has told, and that are in no part yet. */
const TOLD_MAX = 1000;

/** The log of a day. */
interface DayLog {
  readonly date: string;
  /** By place. What it was read from as a whole has the place 0. */
  readonly parts: Map<number, readonly HubEvent[]>;
  bytes: number;
  isWhole: boolean;
  /** Keys of parts up to this one are known. */
  last: string | undefined;
  lookedMs: number;
  /** Of which the hub has told. */
  told: HubEvent[];
  /** All of them; undefined if there are new ones. */
  all: readonly HubEvent[] | undefined;
  /** While it is read. */
  reading: Promise<void> | undefined;
}

/** The event logs of one hub. */
export class HubEvents {
  /** The one that was asked for last comes last. */
  private readonly logs = new Map<string, DayLog>();

  /** @param onFound is told events that were not there when the day was read first */
  constructor(
    private readonly folder: HubFolder,
    private readonly onFound: (event: HubEvent) => void,
  ) {}

  /** How many events are known of a day that come from cameras. */
  countOf(date: string): number {
    const log = this.logs.get(date);
    return log === undefined ? 0 : eventsIn(log).filter(({ node }) => node !== null).length;
  }

  /** The size of a day's log, in bytes, as far as it is known. */
  sizeOf(date: string): number {
    return this.folder.days.get(date)?.logBytes ?? this.logs.get(date)?.bytes ?? 0;
  }

  /** The events of a day, in their order. If the store cannot be asked, as they are known. */
  async of(date: string): Promise<readonly HubEvent[]> {
    const { folder } = this;
    const parts = folder.days.get(date);
    const isOpen = date === folder.today || parts?.hasSegments === true;
    if (!isOpen && parts?.logBytes === undefined) return [];
    const known = this.logs.get(date);
    this.logs.delete(date);
    const log = known ?? emptyLog(date);
    this.logs.set(date, log);
    const isNew = log.lookedMs === Number.NEGATIVE_INFINITY && !log.isWhole;
    const fresh = this.refresh(log);
    const settled = fresh.catch(() => undefined);
    // A log that is one object is there or not; of parts, some are better than none.
    if (isNew && parts?.logBytes !== undefined) await fresh;
    else await Promise.race([isNew ? fresh : settled, Bun.sleep(WAIT_MS)]);
    dropFirst(this.logs, ({ bytes }) => bytes, TEXT_BYTES_MAX);
    return eventsIn(log);
  }

  /** Takes in an event of which the hub tells. */
  add(event: HubEvent): void {
    const log = this.logs.get(event.date);
    if (log === undefined || log.isWhole) return;
    log.told.push(event);
    if (log.told.length > TOLD_MAX) log.told.shift();
    log.all = undefined;
  }

  /** Forgets all logs. */
  clear(): void {
    this.logs.clear();
  }

  /** Reads what may be new. Those who ask meanwhile wait for the same. */
  private async refresh(log: DayLog): Promise<void> {
    await (log.reading ??= this.read(log).finally(() => (log.reading = undefined)));
  }

  private async read(log: DayLog): Promise<void> {
    const { keys, store, days } = this.folder;
    const { date } = log;
    if (log.isWhole) return;
    if (days.get(date)?.logBytes !== undefined) {
      const text = await store.text(keys.of(logMember(date).path));
      if (text === undefined) return;
      log.parts.clear();
      log.parts.set(0, this.parse(text));
      log.bytes = Buffer.byteLength(text);
      log.told = [];
      log.all = undefined;
      log.isWhole = true;
      return;
    }
    if (performance.now() - log.lookedMs >= LOOK_MS) await this.readParts(log);
  }

  /** Reads parts that are new, the latest first. */
  private async readParts(log: DayLog): Promise<void> {
    const { keys, store } = this.folder;
    const isFirst = log.lookedMs === Number.NEGATIVE_INFINITY;
    const beganMs = performance.now();
    const found: string[] = [];
    const prefix = keys.segmentsOf(log.date);
    for await (const { objects } of store.list({ prefix, startAfter: log.last }))
      for (const { key } of objects) found.push(key);
    log.lookedMs = beganMs;
    await Promise.all(
      found.toReversed().map(async (key) => {
        const place = placeOfSegment(key);
        if (place === undefined || log.parts.has(place)) return;
        const text = await store.text(key);
        if (text === undefined) return;
        const events = this.parse(text);
        log.parts.set(place, events);
        log.bytes += Buffer.byteLength(text);
        log.all = undefined;
        if (!isFirst) for (const event of events) this.onFound(event);
      }),
    );
    log.last = found.at(-1) ?? log.last;
  }

  private parse(text: string): HubEvent[] {
    const { name } = this.folder;
    return text.split("\n").flatMap((line) => {
      const event = readLine(line);
      return event === undefined ? [] : [ofHub(name, event)];
    });
  }
}

/** An event as it is in the view: with the name of its hub. */
export function ofHub(hub: string, event: HubEvent): HubEvent {
  const { node } = event;
  return { ...event, hub, node: node === null ? null : joined(hub, node) };
}

function emptyLog(date: string): DayLog {
  return {
    date,
    parts: new Map(),
    bytes: 0,
    isWhole: false,
    last: undefined,
    lookedMs: Number.NEGATIVE_INFINITY,
    told: [],
    all: undefined,
    reading: undefined,
  };
}

function eventsIn(log: DayLog): readonly HubEvent[] {
  if (log.all !== undefined) return log.all;
  const places = [...log.parts.keys()].toSorted((a, b) => a - b);
  const events = places.flatMap((place) => log.parts.get(place)!);
  const last = events.at(-1)?.time ?? "";
  log.told = log.told.filter(({ time }) => time > last);
  return (log.all = [...events, ...log.told]);
}
