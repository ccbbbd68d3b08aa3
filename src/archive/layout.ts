/**
 * Where everything stands in an archive, which is that of one data directory. It has the same form,
 * so that whatever reads one reads the other:
 *
 * ```
 * .imagehub-archive                                           says whose archive this is
 * .incoming-…                                                 a file that is not finished
 * images/2018-12-30/Barn-Door-2018-12-30T23.13.31.620992.jpg  an image
 * logs/imagehub.log.2018-12-30                                the event log of a day
 * manifests/2018-12-30.sha256                                 the checksums of a day; made last
 * 2018-12-30.tar, 2018-12-30-2.tar                            with `format: tar`: all of the above
 * 2018-12-30.tar.sha256                                       the checksum of the tar itself
 * ```
 *
 * A **member** of a day is a path in it, such as `images/2018-12-30/Barn-….jpg`. These are the
 * names in a manifest and in a tar.
 *
 * @module
 */

import { dayOf, dayOfLog } from "../store/data-directory.ts";
import { parseImageFileName } from "../protocol/names.ts";

/** The file that marks an archive. */
export const MARK = ".imagehub-archive";

export const IMAGES = "images";
export const LOGS = "logs";
export const MANIFESTS = "manifests";

/** What is in a day. */
export interface Member {
  /** `images` or `logs`. */
  readonly part: typeof IMAGES | typeof LOGS;
  /** Its name in its folder. */
  readonly name: string;
  /** Its path in the archive. */
  readonly path: string;
}

/** An image as a member. */
export function imageMember(date: string, name: string): Member {
  return { part: IMAGES, name, path: `${IMAGES}/${date}/${name}` };
}

/** The event log of a day as a member. */
export function logMember(date: string): Member {
  const name = `imagehub.log.${date}`;
  return { part: LOGS, name, path: `${LOGS}/${name}` };
}

/** Reads the path of a member. @returns undefined if it is none of this day */
export function parseMember(path: string, date: string): Member | undefined {
  const log = logMember(date);
  if (path === log.path) return log;
  const name = path.slice(imageMember(date, "").path.length);
  const image = imageMember(date, name);
  return image.path === path && isArchivable(name, date) ? image : undefined;
}

/**
 * Whether an image of this name is archived. The hub's own names all are. sha256sum writes the
 * characters that are refused here in another way, and they are in no name of the hub. U+FFFD may
 * be: it stands for what a camera has sent and is no character.
 */
export function isArchivable(name: string, date: string): boolean {
  return parseImageFileName(name, date) !== undefined && !/[\\/\n\r\0]/.test(name);
}

/** The name of a day's manifest. */
export function manifestName(date: string): string {
  return `${date}.sha256`;
}

/** The date of a manifest by its name; undefined if it is none. */
export function dateOfManifest(name: string): string | undefined {
  const date = name.slice(0, -".sha256".length);
  return manifestName(date) === name && dayOf(date) !== undefined ? date : undefined;
}

/** The date of an event log by its name; undefined if it is none. */
export function dateOfLog(name: string): string | undefined {
  return dayOfLog(name) === undefined ? undefined : name.slice("imagehub.log.".length);
}

/** The name of a tar. @param number from 1: further ones hold what came to the day later */
export function tarName(date: string, number: number): string {
  return number === 1 ? `${date}.tar` : `${date}-${number}.tar`;
}

/** The number of a tar of this day; undefined if the name is not that of one. */
export function tarNumber(name: string, date: string): number | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})(?:-([1-9]\d{0,5}))?\.tar$/.exec(name);
  const number = Number(match?.[2] ?? 1);
  return match?.[1] === date && tarName(date, number) === name ? number : undefined;
}

/** The date of a tar by its name; undefined if it is none. */
export function dateOfTar(name: string): string | undefined {
  const date = name.slice(0, "2018-12-30".length);
  return tarNumber(name, date) === undefined ? undefined : date;
}

/** The name of the checksum of a tar, or of anything else. */
export function sumName(name: string): string {
  return `${name}.sha256`;
}
