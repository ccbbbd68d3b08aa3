/**
 * The images of one hub on one day, by their names.
 *
 * @module
 */

import type { TakeName } from "../catalog/name-reader.ts";
import { parseImageFileName } from "../protocol/names.ts";
import { joined } from "./name.ts";

const NEWLINE = 0x0a;

/** What is known of a camera of a day. */
export interface DayCamera {
  readonly name: string;
  images: number;
  bytes: number;
  /** Its last image, and the time of it in microseconds since midnight. */
  last: string;
  lastMicros: number;
  /** The time of the last one that was seen in the bucket. */
  listedMicros: number;
}

/** Images that are known, in any order. */
export class HubDay {
  /** By camera. */
  readonly cameras = new Map<string, DayCamera>();
  /** When all of it was read last. */
  readMs = Number.NEGATIVE_INFINITY;
  /** When it was looked for new ones last. */
  lookedMs = Number.NEGATIVE_INFINITY;
  /** The manifests that it was read from; empty if it was listed. */
  manifests = "";
  /** While it is read. */
  reading: Promise<void> | undefined;
  /** Sizes in bytes; undefined if an image is not seen in the bucket yet. */
  private readonly sizes = new Map<string, number | undefined>();

  constructor(
    readonly hub: string,
    readonly date: string,
  ) {}

  get count(): number {
    return this.sizes.size;
  }

  /** Whether an image was seen in the bucket. */
  isListed(name: string): boolean {
    return this.sizes.get(name) !== undefined;
  }

  /** Whether the hub has told of an image that was not seen in the bucket yet. */
  isToCome(name: string): boolean {
    return this.sizes.has(name) && !this.isListed(name);
  }

  /**
   * Takes in an image.
   *
   * @param bytes undefined if it is only said to come
   * @returns whether it is new
   */
  add(name: string, bytes: number | undefined): boolean {
    const isKnown = this.sizes.has(name);
    if (isKnown && (bytes === undefined || this.sizes.get(name) !== undefined)) return false;
    const parsed = parseImageFileName(name, this.date);
    if (parsed === undefined) return false;
    this.sizes.set(name, bytes);
    let camera = this.cameras.get(parsed.camera);
    if (camera === undefined) {
      const { camera: own } = parsed;
      camera = { name: own, images: 0, bytes: 0, last: name, lastMicros: -1, listedMicros: 0 };
      this.cameras.set(parsed.camera, camera);
    }
    camera.bytes += bytes ?? 0;
    if (bytes !== undefined) camera.listedMicros = Math.max(camera.listedMicros, parsed.micros);
    if (isKnown) return false;
    camera.images++;
    if (parsed.micros >= camera.lastMicros) {
      camera.last = name;
      camera.lastMicros = parsed.micros;
    }
    return true;
  }

  /** Tells all names, with that of the hub. */
  tell(take: TakeName): void {
    const names = Array.from(this.sizes.keys(), (name) => `${joined(this.hub, name)}\n`);
    const bytes = Buffer.from(names.join(""));
    for (let start = 0; start < bytes.length;) {
      const end = bytes.indexOf(NEWLINE, start);
      take(bytes, start, end);
      start = end + 1;
    }
  }
}
