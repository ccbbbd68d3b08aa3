/**
 * The events of one day, all of them, in their order.
 *
 * @module
 */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { HubEvent } from "./answers.ts";
import { dayPath, withQuery } from "./api.ts";
import { ask, generation } from "./hub.ts";
import { useArrivals } from "./live.ts";
import { minutesOf } from "./time.ts";

/** An event with its place in the day, in minutes with a fraction. */
export interface DayEvent extends HubEvent {
  readonly minute: number;
}

const PAGE = 1000;

/** A day with more than these has a sensor gone wild: only the first ones are shown in it. */
const EVENTS_MAX = 20_000;

/** Days that are kept, so that going back and forth asks nothing. */
const DAYS_MAX = 3;

const kept = new Map<string, ReturnType<typeof signal<readonly DayEvent[]>>>();

function placed(event: HubEvent): DayEvent {
  return Object.assign({ minute: minutesOf(event.time) }, event);
}

function keyOf({ time, node, text }: HubEvent): string {
  return `${time} ${node} ${text}`;
}

/**
 * The events of a day; empty until they are there. The hub's own lines are not among them.
 *
 * @param date empty: none
 */
export function useDayEvents(date: string): readonly DayEvent[] {
  const events = eventsOf(date);
  const round = generation.value;
  useEffect(() => {
    if (date === "") return undefined;
    const abort = new AbortController();
    // What is known may be all there is, but not if the day goes on.
    load(date, abort.signal).then(
      (loaded) => (events.value = loaded),
      () => {}, // It is said on the page, and asked again after it.
    );
    return () => abort.abort();
  }, [date, events, round]);
  useArrivals((arrivals) => {
    const added = arrivals.events.filter((event) => event.date === date && event.node !== null);
    if (added.length === 0) return;
    const known = events.value ?? [];
    // The list that was asked for may already have what is told now.
    const recent = new Set(known.slice(-PAGE).map(keyOf));
    const fresh = added.filter((each) => !recent.has(keyOf(each))).map(placed);
    // Hubs in different zones tell what is earlier than the rest.
    const isLater = (known.at(-1)?.minute ?? 0) <= Math.min(...fresh.map(({ minute }) => minute));
    const all = [...known, ...fresh];
    events.value = isLater ? all : all.toSorted((a, b) => a.minute - b.minute);
  });
  return events.value ?? [];
}

function eventsOf(date: string): { value: readonly DayEvent[] | undefined } {
  let events = kept.get(date);
  if (events === undefined) {
    kept.set(date, (events = signal()));
    const [oldest] = kept.keys();
    if (kept.size > DAYS_MAX && oldest !== undefined) kept.delete(oldest);
  }
  return events;
}

async function load(date: string, abort: AbortSignal): Promise<DayEvent[]> {
  const all: DayEvent[] = [];
  for (let total = 1; all.length < Math.min(total, EVENTS_MAX);) {
    const query = { hub: "no", offset: all.length, limit: PAGE };
    const answer = await ask<{ total: number; events: HubEvent[] }>(
      withQuery(dayPath(date, "events"), query),
      { signal: abort },
    );
    if (answer.events.length === 0) break;
    ({ total } = answer);
    all.push(...answer.events.map(placed));
  }
  return all;
}

/** The first event at or after a time. @returns their count if there is none */
export function firstEvent(events: readonly DayEvent[], minute: number): number {
  let low = 0;
  for (let high = events.length; low < high;) {
    const middle = (low + high) >>> 1;
    if (events[middle]!.minute < minute) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether an event comes from the node of a camera: `Barn Door|…` belongs to `Barn-Door-Left`. */
export function isFrom({ node }: HubEvent, camera: string): boolean {
  const name = node?.trim().replaceAll(/\s/gu, "-");
  return name !== undefined && name !== "" && `${camera}-`.startsWith(`${name}-`);
}

/** An event in few words: `Temp 76 F`. */
export function inShort({ type, value, text }: HubEvent): string {
  return type == null ? text : `${type} ${value ?? ""}`.trim();
}
