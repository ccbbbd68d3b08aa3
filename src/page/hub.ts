/**
 * What the page knows of the hub as a whole: whether it answers, its clock and its days.
 *
 * @module
 */

import { computed, effect, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Days, Status } from "./answers.ts";
import { ApiError, request } from "./api.ts";
import { dateAt } from "./time.ts";

/** Why nothing new can be shown. */
export type Trouble =
  | { readonly kind: "away" }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "login" };

/** undefined while all is well. */
export const trouble = signal<Trouble | undefined>();

/** Rises when everything that is shown must be asked for anew. */
export const generation = signal(0);

/** How often the hub has answered a question. */
export const answers = signal(0);

/** All days; undefined until the first answer. */
export const days = signal<Days | undefined>();

/** The hub's clock ahead of this machine's, as if its zone were UTC; in milliseconds. */
const ahead = signal(-new Date().getTimezoneOffset() * 60_000);
const ticks = signal(Date.now());

/** The hub's clock: an instant as in time.ts. It moves once a second. */
export const now = computed(() => ticks.value + ahead.value);

/** The clocks of the hubs of a view, as {@link ahead}. */
const aheadOf = signal<ReadonlyMap<string, number>>(new Map());

/** The clock of the hub that a camera, a node or an image belongs to, as {@link now}. */
export function nowOf(name: string): number {
  const ownMs = aheadOf.value.get(name.slice(0, Math.max(0, name.indexOf(":"))));
  return ownMs === undefined ? now.value : ticks.value + ownMs;
}

/** The hub's date of now. */
export const today = computed(() => dateAt(now.value));

setInterval(() => {
  if (!document.hidden) ticks.value = Date.now();
}, 1000);

/** How long to wait before the hub is tried again. */
const RETRY_MS = 2000;

/** A view is asked so often while it counts its days. */
const COUNTING_MS = 3000;

let retry: ReturnType<typeof setTimeout> | undefined;

let asking: Promise<void> | undefined;

/** Asks for the days. With it, the page finds out whether the hub answers again. */
export function askDays(): Promise<void> {
  return (asking ??= tryDays().finally(() => {
    asking = undefined;
  }));
}

async function tryDays(): Promise<void> {
  clearTimeout(retry);
  retry = undefined;
  try {
    const answer = await answered<Days>("api/v1/days");
    const hubs = answer.hubs?.map((hub) => [hub.name, aheadIn(hub)] as const);
    ahead.value = aheadIn(answer);
    aheadOf.value = new Map(hubs);
    ticks.value = Date.now();
    days.value = answer;
    if (answer.days.some(({ counted }) => counted === false))
      retry = setTimeout(() => void askDays(), COUNTING_MS);
    if (trouble.value === undefined) return;
    trouble.value = undefined;
    generation.value++;
  } catch (error) {
    noteFailure(error);
  }
}

function aheadIn({ now: time }: Pick<Days, "now">): number {
  return Date.parse(`${time.slice(0, 23)}Z`) - Date.now();
}

/** Takes in why a question has failed, and says so on the page if the whole hub is affected. */
export function noteFailure(error: unknown): void {
  const next = troubleOf(error);
  if (next === undefined) return;
  trouble.value = next;
  if (next.kind !== "login") retry ??= setTimeout(() => void askDays(), RETRY_MS);
}

function troubleOf(error: unknown): Trouble | undefined {
  if (error instanceof DOMException && error.name === "AbortError") return undefined;
  if (!(error instanceof ApiError)) return { kind: "away" };
  if (error.status === 401) return { kind: "login" };
  if (error.status === 502 || error.status === 504) return { kind: "away" };
  if (error.status === 503) return { kind: "refused", reason: error.message };
  return undefined;
}

async function answered<T>(path: string, init?: RequestInit): Promise<T> {
  const answer = (await (await request(path, init)).json()) as T;
  answers.value++;
  return answer;
}

/**
 * Asks the hub for JSON.
 *
 * @throws {Error} as {@link request}; trouble with the hub as a whole is also shown
 */
export async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  try {
    return await answered<T>(path, init);
  } catch (error) {
    noteFailure(error);
    throw error;
  }
}

/** An answer that a component waits for. */
export interface Answer<T> {
  readonly data?: T;
  /** Set if the hub has refused this question. */
  readonly error?: ApiError;
}

/**
 * The hub's answer to a question, asked anew when {@link generation} rises. The last answer to the
 * same question stays until the next one is there.
 *
 * @param path undefined to ask nothing
 * @param everyMs asks again so often, while somebody looks
 * @param change asks again when this is another
 */
export function useAnswer<T>(
  path: string | undefined,
  everyMs?: number,
  change?: number,
): Answer<T> {
  const [state, setState] = useState<{ path: string; answer: Answer<T> }>();
  const round = generation.value;
  useEffect(() => {
    if (path === undefined) return undefined;
    const abort = new AbortController();
    const askNow = (): void => {
      if (document.hidden && everyMs !== undefined) return;
      ask<T>(path, { signal: abort.signal }).then(
        (data) => setState({ path, answer: { data } }),
        (error: unknown) => {
          if (error instanceof ApiError) setState({ path, answer: { error } });
        },
      );
    };
    askNow();
    const timer = everyMs === undefined ? undefined : setInterval(askNow, everyMs);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [path, round, everyMs, change]);
  return state !== undefined && state.path === path ? state.answer : {};
}

/** The status of the hub; undefined until it is there, and in a view of many hubs. */
export function useStatus(everyMs?: number, change?: number): Status | undefined {
  const { data } = useAnswer<Status | { readonly view: string }>("api/status", everyMs, change);
  return data === undefined || "view" in data ? undefined : data;
}

void askDays();

let date = today.peek();
effect(() => {
  if (today.value === date) return;
  date = today.value;
  // A new day has begun. "Today" means another one, everywhere.
  generation.value++;
  void askDays();
});
