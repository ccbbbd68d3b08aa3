/**
 * Events that say how something is: a sensor's value, motion or light.
 *
 * @module
 */

import type { StoredEvent } from "../catalog/follower.ts";
import { eventParts } from "../protocol/event.ts";

/** The latest of a type that a node, or a view of it, has told. */
export interface Reading {
  /** Who sent it: the node, or the node and the view. */
  readonly node: string;
  /** Such as `Temp` or `motion`. */
  readonly type: string;
  /** A number, or one of {@link BINARY}. */
  readonly value: number | string;
  /** Empty if there is none. */
  readonly unit: string;
  /** Local time, as in the event log. */
  readonly time: string;
}

/** The words of imagenode's detectors: what is on, and what is off. */
export const BINARY = [
  { class: "motion", on: "moving", off: "still" },
  { class: "light", on: "lighted", off: "dark" },
] as const;

/** @returns undefined if the event is none */
export function readingOf({ at: time, text }: StoredEvent): Reading | undefined {
  const parts = eventParts(text);
  if (parts === undefined) return undefined;
  const { node, type, value, number, unit } = parts;
  if (number !== undefined && Number.isFinite(number))
    return { node, type, value: number, unit: unit ?? "", time };
  if (BINARY.some(({ on, off }) => value === on || value === off))
    return { node, type, value, unit: "", time };
  return undefined;
}
