/**
 * Where everything stands in the data directory, and what its names say:
 *
 * ```
 * .imagehub.lock                                              locked while a hub runs
 * .incoming-…                                                 a file that is not finished
 * images/2018-12-30/Barn-Door-2018-12-30T23.13.31.620992.jpg  an image, in the folder of its day
 * logs/imagehub.log                                           the event log
 * logs/imagehub.log.2018-12-29                                the event log of an earlier day
 * ```
 *
 * These are paths and names only. Nothing here looks at the disk or is shared, so any thread can
 * have its own. Whether the path still leads to the same directory is for `data-guard.ts` to say.
 *
 * @module
 */

import { IMAGE_SUFFIXES } from "../protocol/names.ts";

/** The folders of the data directory. Each may be on a disk of its own, or be a link to one. */
export const Part = { images: 0, logs: 1 } as const;

/** One of {@link Part}. */
export type Part = (typeof Part)[keyof typeof Part];

const EVENT_LOG = "imagehub.log";
const LOCK = ".imagehub.lock";

/**
 * How the names of files begin that are not finished. They must not hold `log`: readers take such a
 * file for an event log.
 */
export const TEMPORARY_PREFIX = ".incoming-";

/** The paths in one data directory. */
export class DataDirectory {
  readonly images: string;
  readonly logs: string;
  /** `images` and `logs`, by {@link Part}. */
  readonly folders: readonly [images: string, logs: string];
  /** The event log that is written to now. */
  readonly eventLog: string;
  /** The file that the hub locks. */
  readonly lock: string;

  /** @param path absolute */
  constructor(readonly path: string) {
    this.images = `${path}/images`;
    this.logs = `${path}/logs`;
    this.folders = [this.images, this.logs];
    this.eventLog = `${this.logs}/${EVENT_LOG}`;
    this.lock = `${path}/${LOCK}`;
  }

  /** The folder with the images of a day. @param date such as `2018-12-30` */
  dateFolder(date: string): string {
    return `${this.images}/${date}`;
  }

  /** The event log of an earlier day. @param day such as 20181230 */
  datedLog(day: number): string {
    return `${this.eventLog}.${dateOf(day)}`;
  }
}

/**
 * The path of a file that is not finished. It may be in the data directory, a date folder or
 * `logs`. @param name what tells it from others there
 */
export function temporaryIn(folder: string, name: string): string {
  return `${folder}/${TEMPORARY_PREFIX}${name}`;
}

/** Whether a file of this name is not finished. */
export function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX);
}

/** Whether a file in a date folder counts as an image there, no matter who put it there. */
export function isImageFile(name: string): boolean {
  return !name.startsWith(".") && IMAGE_SUFFIXES.some((suffix) => name.endsWith(suffix));
}

/** The day of a dated log, such as 20181230; undefined where the name is not that of one. */
export function dayOfLog(name: string): number | undefined {
  return name.startsWith(`${EVENT_LOG}.`) ? dayOf(name.slice(EVENT_LOG.length + 1)) : undefined;
}

/**
 * A date as a number: `2018-12-30` is 20181230. The name of a date folder is such a date, and
 * nothing else is one. A day need not be one that a calendar has.
 *
 * @returns undefined where it is no date
 */
export function dayOf(date: string): number | undefined {
  return /^\d{4}-\d{2}-\d{2}$/.test(date) ? Number(date.replaceAll("-", "")) : undefined;
}

/** The reverse of {@link dayOf}: 20181230 is `2018-12-30`. */
export function dateOf(day: number): string {
  const digits = String(day).padStart(8, "0");
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`;
}
