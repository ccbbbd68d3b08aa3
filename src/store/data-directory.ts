/**
 * Where everything stands in the data directory, and what its names say:
 *
 * ```
 * .imagehub.lock                                              locked while a hub runs
 * .imagehub/                                                  what the hub can make anew
 * .incoming-…                                                 a file that is not finished
 * images/2018-12-30/Barn-Door-2018-12-30T23.13.31.620992.jpg  an image, in the folder of its day
 * kept/2018-12-30/Barn-Door-2018-12-30T23.13.31.620992.jpg    the same, as a person protects it
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

/** The folders of the data directory. Each may be on its own disk, or be a link to one. */
export const Part = { images: 0, logs: 1 } as const;

/** One of {@link Part}. */
export type Part = (typeof Part)[keyof typeof Part];

const EVENT_LOG = "imagehub.log";
const LOCK = ".imagehub.lock";
/** The name of the folder for what only saves time. */
export const OWN = ".imagehub";

/**
 * The start of names of unfinished files. They must not contain `log`: readers would take such a
 * file for an event log.
 */
export const TEMPORARY_PREFIX = ".incoming-";

/** The paths in one data directory. */
export class DataDirectory {
  readonly images: string;
  readonly logs: string;
  /** `images` and `logs`, by {@link Part}. */
  readonly folders: readonly [images: string, logs: string];
  /** The current event log. */
  readonly eventLog: string;
  /** The file that the hub locks. */
  readonly lock: string;
  /** The folder for what only saves time, and is made anew when it is gone. */
  readonly own: string;
  /** The folder of protected images. */
  readonly kept: string;

  /** @param path absolute */
  constructor(readonly path: string) {
    this.images = `${path}/images`;
    this.logs = `${path}/logs`;
    this.folders = [this.images, this.logs];
    this.eventLog = `${this.logs}/${EVENT_LOG}`;
    this.lock = `${path}/${LOCK}`;
    this.own = `${path}/${OWN}`;
    this.kept = `${path}/kept`;
  }

  /** The folder with the images of a day. @param date such as `2018-12-30` */
  dateFolder(date: string): string {
    return `${this.images}/${date}`;
  }

  /** The folder with the protected images of a day. @param date such as `2018-12-30` */
  keptFolder(date: string): string {
    return `${this.kept}/${date}`;
  }

  /** The event log of an earlier day. @param day such as 20181230 */
  datedLog(day: number): string {
    return `${this.eventLog}.${dateOf(day)}`;
  }
}

/**
 * The path of an unfinished file. It may be in the data directory, a date folder or `logs`. @param
 * name distinguishes it from others there
 */
export function temporaryIn(folder: string, name: string): string {
  return `${folder}/${TEMPORARY_PREFIX}${name}`;
}

/** Whether this is the name of an unfinished file. */
export function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX);
}

/** Whether a file in a date folder counts as an image there, no matter who put it there. */
export function isImageFile(name: string): boolean {
  return !name.startsWith(".") && IMAGE_SUFFIXES.some((suffix) => name.endsWith(suffix));
}

/** The day of a dated log, such as 20181230; undefined if the name is not that of a dated log. */
export function dayOfLog(name: string): number | undefined {
  return name.startsWith(`${EVENT_LOG}.`) ? dayOf(name.slice(EVENT_LOG.length + 1)) : undefined;
}

/**
 * A date as a number: `2018-12-30` is 20181230. Names of date folders are such dates, and nothing
 * else is.
 *
 * @returns undefined if it is not a date, or no calendar has it
 */
export function dayOf(date: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) return undefined;
  const time = new Date(`${date}T00:00:00Z`);
  const exists = !Number.isNaN(time.getTime()) && time.toISOString().startsWith(date);
  return exists ? Number(date.replaceAll("-", "")) : undefined;
}

/** The reverse of {@link dayOf}: 20181230 is `2018-12-30`. */
export function dateOf(day: number): string {
  const digits = String(day).padStart(8, "0");
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`;
}
