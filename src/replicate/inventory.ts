/**
 * What the bucket has in the folder of a hub, by its names: a list for each kind of them, and two
 * for each day.
 *
 * @module
 */

import { dateOfLog, IMAGES, LOGS, logMember, MANIFESTS, isArchivable } from "../archive/layout.ts";
import { sumsIn } from "../archive/manifest.ts";
import type { Listed } from "../s3/listing.ts";
import { dayOf } from "../store/data-directory.ts";
import { manifestPath, partOfDay, placeOfSegment, SUMMARIES, TESTS } from "./layout.ts";
import { readText } from "./object.ts";
import type { Reader } from "./reader.ts";

/** Some lines of the event log of a day. */
export interface Segment extends Listed {
  /** Where they begin in the log, in bytes. */
  readonly at: number;
}

/** What the bucket has of a day. */
export interface BucketDay {
  readonly date: string;
  /** Whether it has a manifest. */
  readonly hasManifest: boolean;
  /** What the manifests say: the SHA-256 of each member by its path. */
  readonly sums: ReadonlyMap<string, string>;
  /** The images, and the event log if it is there as a whole, by their paths. */
  readonly objects: ReadonlyMap<string, Listed>;
  /** In the order of their places. */
  readonly segments: readonly Segment[];
  /** What is wrong; complete messages. */
  readonly problems: readonly string[];
}

/** The folder of one hub. */
export class Inventory {
  /** The numbers of the manifests by their dates. */
  private readonly manifests = new Map<string, number[]>();
  private readonly logs = new Map<string, Listed>();
  private readonly imageDates = new Set<string>();
  private readonly segmentDates = new Set<string>();
  /** Keys, or what several begin with, that are not the hub's. */
  readonly strangers: string[] = [];

  private constructor(private readonly reader: Reader) {}

  /** Lists the folder. Rejects with a `StoreError`. */
  static async of(reader: Reader): Promise<Inventory> {
    const inventory = new Inventory(reader);
    const lists = [
      inventory.listTop(),
      inventory.listImages(),
      inventory.listLogs(),
      inventory.listManifests(),
      inventory.listSummaries(),
    ];
    for (const list of await Promise.allSettled(lists))
      if (list.status === "rejected") throw list.reason;
    inventory.strangers.sort();
    return inventory;
  }

  /** The days that anything is there of, the earliest first. */
  get dates(): string[] {
    const { imageDates, segmentDates, logs, manifests } = this;
    const all = [...imageDates, ...segmentDates, ...logs.keys(), ...manifests.keys()];
    return [...new Set(all)].toSorted();
  }

  /** The last day with an event log, if that is only there in segments. */
  get lastOpenDate(): string | undefined {
    const last = [...this.segmentDates, ...this.logs.keys()].toSorted().at(-1);
    return last === undefined || this.logs.has(last) ? undefined : last;
  }

  /**
   * Lists a day. The manifests are read first: whatever they name has been put before. Rejects with
   * a `StoreError`.
   */
  async day(date: string): Promise<BucketDay> {
    const { reader, logs } = this;
    const { keys } = reader;
    const problems: string[] = [];
    const sums = new Map<string, string>();
    const numbers = this.manifests.get(date) ?? [];
    for (const number of numbers.toSorted((a, b) => a - b)) {
      const key = keys.of(manifestPath(date, number));
      const text = await reader.call(async (options) => readText(reader.bucket, key, options));
      const found = sumsIn(text ?? "", date);
      if (found === undefined) problems.push(`${key} in the bucket is no manifest of ${date}`);
      for (const [path, sum] of found ?? []) {
        if ((sums.get(path) ?? sum) !== sum)
          problems.push(`${key} in the bucket has another sum of ${path} than an earlier manifest`);
        else sums.set(path, sum);
      }
    }
    const objects = new Map<string, Listed>();
    const log = logs.get(date);
    if (log !== undefined) objects.set(logMember(date).path, log);
    const images = await this.listDay(date, problems);
    for (const image of images) objects.set(image.key.slice(keys.of("").length), image);
    const segments = this.segmentDates.has(date) ? await this.listSegments(date, problems) : [];
    return { date, hasManifest: numbers.length > 0, sums, objects, segments, problems };
  }

  private async listDay(date: string, problems: string[]): Promise<Listed[]> {
    const { reader } = this;
    const prefix = reader.keys.imagesOf(date);
    const { objects } = await reader.list({ prefix });
    return objects.filter(({ key }) => {
      const isImage = isArchivable(key.slice(prefix.length), date);
      if (!isImage) problems.push(`${key} in the bucket is not the hub's`);
      return isImage;
    });
  }

  private async listSegments(date: string, problems: string[]): Promise<Segment[]> {
    const { objects } = await this.reader.list({ prefix: this.reader.keys.segmentsOf(date) });
    const segments: Segment[] = [];
    for (const object of objects) {
      const at = placeOfSegment(object.key);
      if (at !== undefined && object.key === this.reader.keys.segment(date, at))
        segments.push({ ...object, at });
      else problems.push(`${object.key} in the bucket is not the hub's`);
    }
    return segments;
  }

  private async listTop(): Promise<void> {
    const { keys } = this.reader;
    const known = new Set<string>([IMAGES, LOGS, MANIFESTS, SUMMARIES, TESTS]);
    await this.listNames(
      "",
      (name) => keys.ownerNumber(keys.of(name)) !== undefined,
      (name) => known.has(name),
    );
  }

  private async listImages(): Promise<void> {
    await this.listNames(
      `${IMAGES}/`,
      () => false,
      (name) => dayOf(name) !== undefined && this.imageDates.add(name).size > 0,
    );
  }

  private async listLogs(): Promise<void> {
    await this.listNames(
      `${LOGS}/`,
      (name, object) => {
        const date = dateOfLog(name);
        if (date !== undefined) this.logs.set(date, object);
        return date !== undefined;
      },
      (name) => dayOf(name) !== undefined && this.segmentDates.add(name).size > 0,
    );
  }

  private async listManifests(): Promise<void> {
    const take = (name: string): boolean => {
      const part = partOfDay(`${MANIFESTS}/${name}`);
      if (part === undefined) return false;
      const { date, number } = part;
      this.manifests.set(date, [...(this.manifests.get(date) ?? []), number]);
      return true;
    };
    await this.listNames(`${MANIFESTS}/`, take);
  }

  private async listSummaries(): Promise<void> {
    await this.listNames(
      `${SUMMARIES}/`,
      (name) => partOfDay(`${SUMMARIES}/${name}`) !== undefined,
    );
  }

  /**
   * Lists what is in a folder.
   *
   * @param isFile says of an object whether it is the hub's, by its name there
   * @param isFolder the same of a folder in it
   */
  private async listNames(
    folder: string,
    isFile: (name: string, object: Listed) => boolean,
    isFolder: (name: string) => boolean = () => false,
  ): Promise<void> {
    const { reader, strangers } = this;
    const prefix = reader.keys.of(folder);
    const { objects, prefixes } = await reader.list({ prefix, delimiter: "/" });
    for (const object of objects)
      if (!isFile(object.key.slice(prefix.length), object)) strangers.push(object.key);
    for (const each of prefixes) if (!isFolder(each.slice(prefix.length, -1))) strangers.push(each);
  }
}
