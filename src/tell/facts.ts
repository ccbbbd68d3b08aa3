/**
 * What a webhook says about news: the same in JSON and in a template.
 *
 * @module
 */

import { duration } from "../log/amounts.ts";
import { digits, type LocalTime } from "../protocol/calendar.ts";
import { eventParts } from "../protocol/event.ts";
import type { News } from "./news.ts";

/** What there is to say. What does not go with the type of news is left out. */
export interface Facts {
  readonly type: News["type"] | "test";
  /** The name of the machine. */
  readonly hub: string;
  /** Local date and time of what has happened: `2018-12-30` and `13:45:07`. */
  readonly date: string;
  readonly time: string;
  /** All of it in one sentence for people. */
  readonly message: string;
  /** The camera of an image; the node of an event, or the one that is silent. */
  readonly camera?: string | undefined;
  /** The text of an event. */
  readonly text?: string;
  /** The file name of an image. */
  readonly image?: string;
  /** Of a silent node, the disk or the hub's health: whether all is well again. */
  readonly ok?: boolean;
  /** When the last message of a node came, such as `2026-11-22T15:04:05.123Z`. */
  readonly last_seen?: string;
  /** Why the hub is not healthy. */
  readonly reasons?: readonly string[];
  readonly free_bytes?: number;
  readonly full_in_days?: number | undefined;
  /** Of the hub that has started. */
  readonly version?: string;
}

/** The name of one of the {@link Facts}. */
export type FactName = keyof Facts;

/** All names, as placeholders of a template. */
export const FACT_NAMES = [
  "type",
  "hub",
  "date",
  "time",
  "message",
  "camera",
  "text",
  "image",
  "ok",
  "last_seen",
  "reasons",
  "free_bytes",
  "full_in_days",
  "version",
] as const satisfies readonly FactName[];

const MICROS_PER_SECOND = 1_000_000;

/**
 * Puts news into words.
 *
 * @param now when the hub has learned of it
 */
export function factsOf(news: News, hub: string, now: LocalTime): Facts {
  const { type } = news;
  const common = { type, hub, ...dateAndTime(now) };
  switch (news.type) {
    case "image": {
      const { camera, date, name, micros } = news;
      const message = `New image of ${camera}`;
      return { ...common, date, time: timeOf(micros), message, camera, image: name };
    }
    case "event": {
      const { text, at } = news;
      const [date = "", time = ""] = at.split(/[ ,]/);
      const parts = eventParts(text);
      const message = parts ? `${parts.node}: ${parts.type} ${parts.value}`.trim() : text;
      return { ...common, date, time, message, camera: parts?.node, text };
    }
    case "silent":
      return { ...common, ...silence(news) };
    case "disk": {
      const { message = "The disk will not be full soon any more", freeBytes, fullInDays } = news;
      const ok = news.message === undefined;
      return { ...common, message, ok, free_bytes: freeBytes, full_in_days: fullInDays };
    }
    case "health": {
      const { healthy: ok, reasons } = news;
      const sick = `The hub is not healthy: ${reasons.join("; ")}`;
      return { ...common, message: ok ? "The hub is healthy again" : sick, ok, reasons };
    }
    case "start":
      break;
  }
  const { version } = news;
  return { ...common, message: `The hub has started: imagehub ${version}`, version };
}

function silence({
  node: camera,
  silent,
  last_seen,
  awayMs,
}: News & { readonly type: "silent" }): Pick<Facts, "message" | "camera" | "ok" | "last_seen"> {
  const span = duration(Math.round(awayMs / 1000));
  const message = silent
    ? `${camera} has been silent for ${span}`
    : `${camera} is back after ${span}`;
  return { message, camera, ok: !silent, last_seen };
}

/** What `imagehub webhook test` says. */
export function testFacts(hub: string, now: LocalTime): Facts {
  const message = `This is a test of imagehub on ${hub}`;
  return { type: "test", hub, ...dateAndTime(now), message };
}

function dateAndTime({ date, hour, minute, second }: LocalTime): Pick<Facts, "date" | "time"> {
  return { date, time: `${hour}:${minute}:${second}` };
}

function timeOf(micros: number): string {
  const seconds = Math.floor(micros / MICROS_PER_SECOND);
  const parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60];
  return parts.map((part) => digits(Math.floor(part), 2)).join(":");
}
