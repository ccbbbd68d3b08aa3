/**
 * Where everything stands in the bucket. Below the folder of a hub it has the form of an archive
 * (`archive/layout.ts`):
 *
 * ```
 * barn/hub.json                      whose folder this is; hub-2.json and so on after it
 * barn/images/2018-12-30/Barn-….jpg  an image
 * barn/logs/2018-12-30/000000012345  lines of the event log of an open day, from this byte on
 * barn/logs/imagehub.log.2018-12-30  the event log of a day that is over
 * barn/manifests/2018-12-30.sha256   the checksums of a day; made when all of it is there
 * barn/manifests/2018-12-30-2.sha256 those of what came to the day later
 * barn/days/2018-12-30.json          what the first manifest lists, in numbers; then -2 and so on
 * barn/test/…                        what `imagehub replicate test` has put
 * ```
 *
 * An object is put once. Nothing is ever overwritten or deleted.
 *
 * @module
 */

import { IMAGES, imageMember, LOGS, MANIFESTS, manifestName } from "../archive/layout.ts";
import { digits } from "../protocol/calendar.ts";
import { dayOf } from "../store/data-directory.ts";

/** The folders with summaries of days and with what tests have put, which are the hub's, too. */
export const SUMMARIES = "days";
export const TESTS = "test";

/** Digits of the place of a segment, so that the order of names is that of places. */
const PLACE_DIGITS = 12;

/** The keys of one hub. */
export class Keys {
  /** @param name of the hub's folder */
  constructor(private readonly name: string) {}

  /** What a path in an archive is in the bucket. */
  of(path: string): string {
    return `${this.name}/${path}`;
  }

  /** What the keys of a day's images begin with. */
  imagesOf(date: string): string {
    return this.of(imageMember(date, "").path);
  }

  /** What the keys of an open day's segments begin with. */
  segmentsOf(date: string): string {
    return this.of(`${LOGS}/${date}/`);
  }

  /** A segment. @param place where it begins in the event log, in bytes */
  segment(date: string, place: number): string {
    return `${this.segmentsOf(date)}${digits(place, PLACE_DIGITS)}`;
  }

  /** What the keys of a day's manifests begin with. */
  manifestsOf(date: string): string {
    return this.of(`${MANIFESTS}/${date}`);
  }

  /** What the keys of all manifests begin with. */
  get manifests(): string {
    return this.of(`${MANIFESTS}/`);
  }

  /** What the keys of all summaries begin with. */
  get summaries(): string {
    return this.of(`${SUMMARIES}/`);
  }

  /** The summary of a manifest. @param number of the manifest, from 1 */
  summary(date: string, number: number): string {
    return this.of(summaryPath(date, number));
  }

  /** What the keys of all images begin with. */
  get images(): string {
    return this.of(`${IMAGES}/`);
  }

  /** What the keys of all event logs and segments begin with. */
  get logs(): string {
    return this.of(`${LOGS}/`);
  }

  /** What the keys of the files begin with that say whose folder this is. */
  get owners(): string {
    return this.of("hub");
  }

  /** One of them. @param number from 1 */
  owner(number: number): string {
    return this.of(number === 1 ? "hub.json" : `hub-${number}.json`);
  }

  /** The number of one of them; undefined if the key is that of something else. */
  ownerNumber(key: string): number | undefined {
    const number = Number(/\/hub-(\d{1,9})\.json$/.exec(key)?.[1] ?? 1);
    return this.owner(number) === key ? number : undefined;
  }
}

/** The path of a manifest. @param number from 1: further ones hold what came to the day later */
export function manifestPath(date: string, number: number): string {
  return `${MANIFESTS}/${manifestName(number === 1 ? date : `${date}-${number}`)}`;
}

/** The number of a manifest of this day; undefined if the path is not that of one. */
export function manifestNumber(path: string, date: string): number | undefined {
  const [, further] = /^[^-]+-\d\d-\d\d-(\d{1,6})\.sha256$/.exec(path) ?? [];
  const number = Number(further ?? 1);
  return manifestPath(date, number) === path ? number : undefined;
}

/** The path of the summary of a manifest. @param number of the manifest, from 1 */
export function summaryPath(date: string, number: number): string {
  return `${SUMMARIES}/${number === 1 ? date : `${date}-${number}`}.json`;
}

/** The date and number of a manifest or a summary by its path; undefined if it is that of none. */
export function partOfDay(
  path: string,
): { readonly date: string; readonly number: number } | undefined {
  const [, date = "", further = "1"] =
    /^[^/]+\/(\d{4}-\d\d-\d\d)(?:-(\d{1,6}))?\.\w+$/.exec(path) ?? [];
  const number = Number(further);
  const isOne = [manifestPath, summaryPath].some((make) => make(date, number) === path);
  return isOne && dayOf(date) !== undefined ? { date, number } : undefined;
}

/** The place of a segment by its key; undefined if it is none. */
export function placeOfSegment(key: string): number | undefined {
  const [, place] = /\/(\d{12})$/.exec(key) ?? [];
  return place === undefined ? undefined : Number(place);
}
