/**
 * Which images a person means: by their names, or all of a day, or those of some cameras.
 *
 * @module
 */

import { parseImageFileName } from "../protocol/names.ts";
import { dayOf } from "../store/data-directory.ts";

/** Some images of one day. */
export interface Selection {
  readonly date: string;
  /** All images that are there. */
  isWhole: boolean;
  /** Images by name. */
  readonly names: Set<string>;
}

/** The date in an image's file name. @returns undefined if it is not the name of an image */
export function dateInName(name: string): string | undefined {
  if (name.includes("/")) return undefined;
  const [, date] = /^[^]*-(\d{4}-\d{2}-\d{2})T/.exec(name) ?? [];
  return date !== undefined && parseImageFileName(name, date) !== undefined ? date : undefined;
}

/**
 * Groups what a person asked for by day, the earliest first.
 *
 * @param wishes dates such as `2018-12-30`, and names of images
 * @returns the word that is neither, if there is one
 */
export function selectionsOf(wishes: readonly string[]): Selection[] | string {
  const days = new Map<string, Selection>();
  for (const wish of wishes) {
    const isDay = dayOf(wish) !== undefined;
    const date = isDay ? wish : dateInName(wish);
    if (date === undefined) return wish;
    const day = days.get(date) ?? { date, isWhole: false, names: new Set<string>() };
    days.set(date, day);
    if (isDay) day.isWhole = true;
    else day.names.add(wish);
  }
  return [...days.values()].toSorted((a, b) => (a.date < b.date ? -1 : 1));
}
