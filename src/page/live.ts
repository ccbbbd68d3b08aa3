/**
 * What the hub tells by itself: images and events as they arrive, which nodes fall silent, and its
 * health.
 *
 * @module
 */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { HubEvent, LiveImage, LiveNode } from "./answers.ts";
import { answers, askDays, generation, trouble } from "./hub.ts";

/** What has arrived since the last one, in order. */
export interface Arrivals {
  images: LiveImage[];
  events: HubEvent[];
  /** Nodes that have fallen silent, or speak again. */
  nodes: LiveNode[];
}

/** The hub's health, as it tells it; undefined until it has. */
export const health = signal<
  { readonly healthy: boolean; readonly reasons: string[]; readonly notices: string[] } | undefined
>();

/** Listeners are called at most this often: however much arrives, the page stays calm. */
const CALM_MS = 1000;

/**
 * A page that nobody has looked at for so long takes up no connection: browsers open six to a host,
 * for all tabs together.
 */
const HIDDEN_MS = 10_000;

const REOPEN_MS = 2000;

/** A page that the hub tells nothing asks so often. */
const POLL_MS = 30_000;

/** Whether too many look live: then the page asks from time to time. */
export const crowded = signal(false);

/** How many streams have begun. What changed before the beginning of one is not told in it. */
export const begun = signal(0);

const listeners = new Set<(arrivals: Arrivals) => void>();
let waiting: Arrivals = nothing();
let timer: ReturnType<typeof setTimeout> | undefined;
let calmUntil = 0;
let source: EventSource | undefined;
/** Where the stream goes on. */
let lastId = "";
let again: ReturnType<typeof setTimeout> | undefined;
/** How often in a row a hub that is well has refused the stream. */
let refusals = 0;

function nothing(): Arrivals {
  return { images: [], events: [], nodes: [] };
}

/** Calls a function with what arrives while the component is there. */
export function useArrivals(listener: (arrivals: Arrivals) => void): void {
  useEffect(() => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  });
}

function deliver(): void {
  timer = undefined;
  calmUntil = performance.now() + CALM_MS;
  const arrivals = waiting;
  waiting = nothing();
  for (const listener of listeners) listener(arrivals);
}

function receive({ type, data, lastEventId }: MessageEvent<string>): void {
  if (lastEventId !== "") lastId = lastEventId;
  if (type === "start") {
    begun.value++;
    return;
  }
  const value: unknown = JSON.parse(data);
  if (type === "hub") health.value = value as NonNullable<typeof health.value>;
  else if (type === "lost") generation.value++;
  else if (type === "hubs") void askDays();
  else {
    if (type === "image") waiting.images.push(value as LiveImage);
    else if (type === "camera") waiting.nodes.push(value as LiveNode);
    else waiting.events.push(value as HubEvent);
    timer ??= setTimeout(deliver, Math.max(0, calmUntil - performance.now()));
  }
}

function open(): void {
  if (source !== undefined) return;
  const after = lastId === "" ? "" : `?after=${encodeURIComponent(lastId)}`;
  source = new EventSource(new URL(`api/v1/live${after}`, document.baseURI));
  for (const type of ["start", "image", "event", "hub", "hubs", "camera", "lost"])
    source.addEventListener(type, receive);
  source.addEventListener("open", () => {
    refusals = 0;
    crowded.value = false;
    // What came since the first answers is told in no stream.
    if (after === "" && answers.peek() > 0) generation.value++;
  });
  source.addEventListener("error", () => void failed());
}

async function failed(): Promise<void> {
  // Browsers reconnect after a lost connection, but not after an answer such as 503.
  const isRefused = source?.readyState === EventSource.CLOSED;
  if (isRefused) close();
  // The stream does not say why it ended: a question does.
  await askDays();
  if (!isRefused || document.hidden) return;
  // Once may be a hub that has just begun to answer again.
  if (trouble.value === undefined) refusals++;
  crowded.value = refusals > 1;
  if (crowded.value) generation.value++;
  again = setTimeout(reopen, crowded.value ? POLL_MS : REOPEN_MS);
}

function reopen(): void {
  // Who must log in first is refused here, too.
  if (trouble.value === undefined) open();
  else again = setTimeout(reopen, REOPEN_MS);
}

function close(): void {
  clearTimeout(again);
  source?.close();
  source = undefined;
}

/** Listens while somebody looks at the page. A tab that is opened behind others waits for that. */
export function startLive(): void {
  let hidden: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(close, HIDDEN_MS);
    else open();
  });
  if (!document.hidden) open();
}
