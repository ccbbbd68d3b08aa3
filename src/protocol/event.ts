/**
 * What the text of an event says, such as `Garage|Temp|76 F`.
 *
 * @module
 */

/** The parts of an event's text. */
export interface EventParts {
  readonly node: string;
  readonly type: string;
  readonly value: string;
  /** If the value is one. */
  readonly number?: number;
  /** Of that number; empty if there is none. */
  readonly unit?: string;
}

/**
 * A number with a unit, if any. A unit begins as one does, so that a date, a time, an address or a
 * number with a comma is a text: its beginning alone says nothing.
 */
const NUMBER = /^\s*(-?\d+(?:\.\d+)?)\s*((?!e[+-]?\d)[%°µ\p{L}].{0,15})?$/iu;

/** @returns undefined for a line of the hub itself, which has no `|` */
export function eventParts(text: string): EventParts | undefined {
  if (!text.includes("|")) return undefined;
  const [node = "", type = "", ...rest] = text.split("|");
  const value = rest.join("|");
  const [, number, unit = ""] = NUMBER.exec(value) ?? [];
  const measured = number === undefined ? {} : { number: Number(number), unit: unit.trim() };
  return { node: node.trim(), type: type.trim(), value: value.trim(), ...measured };
}
