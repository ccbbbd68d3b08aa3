/**
 * Limits that can only be a mistake. A rule that fails here is off, and says so: a `GB` in the
 * place of a `TB` deletes nothing.
 *
 * @module
 */

import { bytesIn, bytesOfDisk } from "../config/quantity.ts";
import type { Settings } from "../config/schema.ts";
import { size } from "../log/amounts.ts";
import type { Holdings } from "./holdings.ts";
import { Rules } from "./rules.ts";
import type { Space } from "./space.ts";

/** How many of the latest days are asked how much a day is. */
const DAYS_ASKED = 7;

type Keep = Settings["keep"];

/** The rules that can be kept, and what is wrong with the others. */
export interface Sane {
  readonly keep: Keep;
  readonly problems: readonly string[];
}

/**
 * Turns off limits below the size of one day, and free space that the disk does not have.
 *
 * @param today the local date; only days before it count, as they are whole
 */
export function saneRules(keep: Keep, holdings: Holdings, space: Space, today: string): Sane {
  const problems: string[] = [];
  const rules = new Rules(keep);
  const isBelow = (name: string, limit: Keep["max_bytes"], entry?: number): boolean => {
    const bytes = bytesIn(limit) ?? 0;
    const isMeant = (camera: string): boolean => rules.entryOf(camera) === entry;
    const day = usualDay(holdings, today, entry === undefined ? undefined : isMeant);
    if (bytes === 0 || day === undefined || bytes >= day.bytes) return false;
    problems.push(
      `keep.${name} is ${size(bytes)}, but one day has ${size(day.bytes)} (${day.date}): ` +
        "this limit is off until you raise it",
    );
    return true;
  };
  const wanted = bytesOfDisk(keep.min_free, space.sizeBytes) ?? 0;
  const isTooMuch = wanted >= space.sizeBytes && wanted > 0;
  if (isTooMuch)
    problems.push(
      `keep.min_free is ${size(wanted)}, but the whole disk has ${size(space.sizeBytes)}: ` +
        "this rule is off until you lower it",
    );
  return {
    keep: {
      ...keep,
      min_free: isTooMuch ? 0 : keep.min_free,
      max_bytes: isBelow("max_bytes", keep.max_bytes) ? 0 : keep.max_bytes,
      cameras: keep.cameras.map((rule, entry) =>
        isBelow(`cameras.max_bytes of ${rule.match}`, rule.max_bytes, entry)
          ? { ...rule, max_bytes: 0 }
          : rule,
      ),
    },
    problems,
  };
}

/**
 * The middle one of the latest days, by size: one stormy night is not what a day usually has.
 *
 * @param isMeant of which cameras; each counts on its own
 */
function usualDay(
  { days }: Holdings,
  today: string,
  isMeant: ((camera: string) => boolean) | undefined,
): { readonly date: string; readonly bytes: number } | undefined {
  const sizes = days
    .filter(({ date, images }) => date < today && images > 0)
    .slice(-DAYS_ASKED)
    .map(({ date, bytes, cameras }) => ({
      date,
      bytes:
        isMeant === undefined
          ? bytes
          : Math.max(0, ...cameras.filter(({ name }) => isMeant(name)).map((of) => of.bytes)),
    }))
    .toSorted((a, b) => a.bytes - b.bytes);
  return sizes[Math.floor((sizes.length - 1) / 2)];
}
