/**
 * Copies of the days in another place, as deleting asks for them: only what is there may go. The
 * place itself is asked each time, and nothing remembers its answers.
 *
 * @module
 */

import type { Folder } from "../os/folder.ts";

/**
 * Whether there is a copy of an image. Both may have to be read for it.
 *
 * @param folder the open folder of the day that the image is in
 */
export type HasCopy = (name: string, folder: Folder) => boolean | Promise<boolean>;

/** One place. */
export interface Copies {
  /** What must be done first, and which setting asks for it. */
  readonly needs: string;
  /** Why it cannot be asked; undefined if it can. */
  readonly problem: string | undefined;
  /** The days that it has something of. */
  readonly dates: ReadonlySet<string>;
  /** A day is to be there when so many days have passed after it. */
  readonly afterDays: number;
  /** @returns holds until the next day is asked for */
  has(date: string): HasCopy | Promise<HasCopy>;
  /** Whether it has the event log of a day as it is here now. */
  hasLog(date: string): boolean | Promise<boolean>;
  /** Why images of a day stay that it does not have. */
  lacks(date: string): string;
}

/** What must be in all of these places. @returns undefined if there is none */
export function inAll(places: readonly (Copies | undefined)[]): Copies | undefined {
  const all = places.filter((place) => place !== undefined);
  const [first] = all;
  if (first === undefined || all.length === 1) return first;
  return {
    needs: all.map(({ needs }) => needs).join(" and "),
    problem: all.find(({ problem }) => problem !== undefined)?.problem,
    dates: all.map(({ dates }) => dates).reduce((some, more) => some.intersection(more)),
    afterDays: Math.max(...all.map(({ afterDays }) => afterDays)),
    has: async (date) => {
      const each = await Promise.all(all.map(async (place) => await place.has(date)));
      return async (name, folder) => {
        for (const has of each) if (!(await has(name, folder))) return false;
        return true;
      };
    },
    hasLog: async (date) => {
      for (const place of all) if (!(await place.hasLog(date))) return false;
      return true;
    },
    lacks: (date) => all.map((place) => place.lacks(date)).join(", or "),
  };
}
