/**
 * Small pictures of images, made when they are asked for. Few are made at once, and raw arrays that
 * wait to be encoded come first: the library uses the same threads for both.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import { messageOf } from "../errors.ts";
import { Counter, type Shared } from "../shared/memory.ts";
import { Refused } from "./query.ts";

/** The widths that there are, in pixels. */
export const WIDTHS = [160, 320, 640] as const;

const QUALITY = 70;

/** Bytes of finished ones that are kept in memory. */
const KEPT_BYTES_MAX = 12 * 2 ** 20;

/** How many are made at once. */
const AT_ONCE = availableParallelism() > 2 ? 2 : 1;

/** How many may wait. A grid on a large screen has fewer. */
const WAITING_MAX = 400;

/** How long they give way to cameras, and how often to look, in milliseconds. */
const GIVE_WAY_MS_MAX = 1000;
const LOOK_MS = 20;

/** Larger images are refused, in pixels. */
const PIXELS_MAX = 64e6;

/** Makes thumbnails. */
export class Thumbnails {
  /** The one that was used last comes last. */
  private readonly kept = new Map<string, Uint8Array>();
  private keptBytes = 0;
  private making = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly shared: Pick<Shared, "counters">) {}

  /**
   * A thumbnail.
   *
   * @param key of the image and the width
   * @param read reads the file
   * @param gone whether somebody still waits for it
   * @returns a JPEG
   * @throws {Refused} 422 if it is no picture, 503 if too many wait
   */
  async of(
    key: string,
    width: number,
    read: () => Uint8Array,
    gone: AbortSignal,
  ): Promise<Uint8Array> {
    const known = this.kept.get(key);
    if (known !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, known);
      return known;
    }
    await this.turn();
    try {
      if (gone.aborted) throw new Refused(503, "Nobody waits for it");
      await this.giveWay();
      const made = await make(read(), width);
      this.keep(key, made);
      return made;
    } finally {
      this.making--;
      this.waiting.shift()?.();
    }
  }

  /** Forgets all. */
  clear(): void {
    this.kept.clear();
    this.keptBytes = 0;
  }

  private async turn(): Promise<void> {
    while (this.making >= AT_ONCE) {
      if (this.waiting.length >= WAITING_MAX)
        throw new Refused(503, "Too many thumbnails are asked for at once");
      const { promise, resolve } = Promise.withResolvers<void>();
      this.waiting.push(resolve);
      await promise;
    }
    this.making++;
  }

  private async giveWay(): Promise<void> {
    const { counters } = this.shared;
    for (let ms = 0; ms < GIVE_WAY_MS_MAX && counters[Counter.queued]! > 0; ms += LOOK_MS)
      await Bun.sleep(LOOK_MS);
  }

  private keep(key: string, bytes: Uint8Array): void {
    this.kept.set(key, bytes);
    this.keptBytes += bytes.byteLength;
    for (const [oldest, { byteLength }] of this.kept) {
      if (this.keptBytes <= KEPT_BYTES_MAX) return;
      this.kept.delete(oldest);
      this.keptBytes -= byteLength;
    }
  }
}

/** The size of a picture in pixels; undefined if it is none. */
export async function sizeOf(
  bytes: Uint8Array,
): Promise<{ readonly width: number; readonly height: number } | undefined> {
  try {
    const { width, height } = await new Bun.Image(bytes).metadata();
    return { width, height };
  } catch {
    return undefined;
  }
}

async function make(bytes: Uint8Array, width: number): Promise<Uint8Array> {
  try {
    return await new Bun.Image(bytes, { maxPixels: PIXELS_MAX })
      .resize(width, width, { fit: "inside", withoutEnlargement: true, filter: "bilinear" })
      .jpeg({ quality: QUALITY })
      .bytes();
  } catch (error) {
    throw new Refused(422, `This file is no picture: ${messageOf(error)}`);
  }
}
