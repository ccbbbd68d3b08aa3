/**
 * The events of one hub: the log of a day that is over is one object, that of an open day has
 * parts.
 *
 * @module
 */

import { logMember } from "../archive/layout.ts";
import type { HubEvent } from "../page/answers.ts";
import { placeOfSegment } from "../replicate/layout.ts";
import { eventOf, readLine } from "../view/events.ts";
import { Held } from "./held.ts";
import type { HubFolder } from "./hub-folder.ts";
import { joined } from "./name.ts";
import { TEXT_BYTES_MAX, Withheld } from "./store.ts";

/** How often an open log is looked at for new parts, in milliseconds. */
const LOOK_MS = 5000;

/** Who asks waits so long for parts, in milliseconds. Then it sees those that are there. */
const WAIT_MS = 1500;

/** How much of all logs may be in memory, in bytes of their text. They take nine times as much. */
const HELD_BYTES_MAX = 32 * 2 ** 20;

/** Most events of which the hub has told, and that are in no part yet. */
const TOLD_MAX = 1000;

/** Of so many events is known that they were told: more than a hub tells once more. */
const HEARD_MAX = 10_000;

/** The log of a day. */
export interface DayLog {
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

/** Room for the logs of all hubs. */
export function roomForLogs(): Held<DayLog> {
  return new Held(({ bytes }) => bytes, HELD_BYTES_MAX);
}

/** The event logs of one hub. */
export class HubEvents {
  /** Events that were told as new. None is told twice: hub and bucket both have it. */
  private readonly heard = new Set<string>();

  /**
   * @param logs of all hubs
   * @param onFound is told events that were not there when the day was read first
   */
  constructor(
    private readonly folder: HubFolder,
    private readonly logs: Held<DayLog>,
    private readonly onFound: (event: HubEvent) => void,
  ) {}

  /** How many events are known of a day that come from cameras. */
  countOf(date: string): number {
    const log = this.known(date);
    return log === undefined ? 0 : eventsIn(log).filter(({ node }) => node !== null).length;
  }

  /** The size of a day's log, in bytes, as far as it is known. */
  sizeOf(date: string): number {
    return this.folder.days.get(date)?.logBytes ?? this.known(date)?.bytes ?? 0;
  }

  /** The events of a day, in their order. If the store cannot be asked, as they are known. */
  async of(date: string): Promise<readonly HubEvent[]> {
    const { folder } = this;
    const parts = folder.days.get(date);
    const isOpen = date === folder.today || parts?.hasSegments === true;
    if (!isOpen && parts?.logBytes === undefined) return [];
    const log = this.logs.use(folder.name, date, () => emptyLog(date));
    const isNew = log.lookedMs === Number.NEGATIVE_INFINITY && !log.isWhole;
    const fresh = this.refresh(log);
    const settled = fresh.catch(() => undefined);
    // A log that is one object is there or not; of parts, some are better than none.
    if (isNew && parts?.logBytes !== undefined) await fresh;
    else await Promise.race([isNew ? fresh : settled, Bun.sleep(WAIT_MS)]);
    return eventsIn(log);
  }

  /** Takes in an event of which the hub tells. @returns whether it is new */
  add(event: HubEvent): boolean {
    if (!this.hear(event)) return false;
    const log = this.known(event.date);
    if (log === undefined || log.isWhole) return true;
    log.told.push(event);
    if (log.told.length > TOLD_MAX) log.told.shift();
    log.all = undefined;
    return true;
  }

  private known(date: string): DayLog | undefined {
    return this.logs.get(this.folder.name, date);
  }

  /** @returns whether an event was not told before */
  private hear(event: HubEvent): boolean {
    const key = `${event.date} ${keyOf(event)}`;
    if (this.heard.has(key)) return false;
    this.heard.add(key);
    const [oldest] = this.heard;
    if (this.heard.size > HEARD_MAX) this.heard.delete(oldest!);
    return true;
  }

  /** Reads what may be new. Those who ask meanwhile wait for the same. */
  private async refresh(log: DayLog): Promise<void> {
    await (log.reading ??= this.read(log).finally(() => (log.reading = undefined)));
  }

  private async read(log: DayLog): Promise<void> {
    const { folder } = this;
    const { date } = log;
    const end = folder.days.get(date)?.logBytes;
    if (!log.isWhole && end !== undefined) {
      const read = await this.readWhole(date);
      if (read === undefined) return;
      log.parts.clear();
      log.parts.set(0, read.events);
      log.bytes = read.bytes;
      log.told = [];
      log.all = undefined;
      log.isWhole = true;
      // If the hub goes on in this day, it does after all of that.
      log.last = folder.keys.segment(date, Math.max(0, end - 1));
    }
    if (log.isWhole && folder.isSettled(date)) return;
    if (performance.now() - log.lookedMs >= LOOK_MS) await this.readParts(log);
  }

  /** Reads a log that is one object. If it is not to be had, its only line says why. */
  private async readWhole(
    date: string,
  ): Promise<{ events: HubEvent[]; bytes: number } | undefined> {
    const { keys, store, name } = this.folder;
    try {
      const text = await store.read(keys.of(logMember(date).path), TEXT_BYTES_MAX);
      return text && { events: this.parse(text.toString()), bytes: text.byteLength };
    } catch (error) {
      if (!(error instanceof Withheld)) throw error;
      const line = `The event log of this day cannot be shown. ${error.message}`;
      return { events: [ofHub(name, eventOf(date, "00:00:00,000", line))], bytes: line.length };
    }
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
        if (!isFirst) for (const event of events) if (this.hear(event)) this.onFound(event);
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
  log.told = log.told.length === 0 ? [] : without(log.told, events);
  return (log.all = [...events, ...log.told]);
}

/** Those that are not among others. Their times do not say so: a clock may have been set back. */
function without(told: readonly HubEvent[], others: readonly HubEvent[]): HubEvent[] {
  const left = new Map(told.map((event) => [keyOf(event), event]));
  const times = new Set(told.map(({ time }) => time));
  for (const event of others) if (times.has(event.time)) left.delete(keyOf(event));
  return [...left.values()];
}

/** What an event of a day is known by. */
function keyOf({ time, text }: HubEvent): string {
  return `${time} ${text}`;
}
