/**
 * Small pictures of images, made when they are asked for, one after the other. A hub makes them in
 * the thread that reads for those who look: it gives way to cameras. The library's own threads
 * encode raw arrays.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { Litter } from "../os/memory.ts";
import { Refused } from "./query.ts";

/** The widths that there are, in pixels. */
export const WIDTHS = [160, 320, 640] as const;

const QUALITY = 70;

/** Bytes of finished ones that are kept in memory. */
const KEPT_BYTES_MAX = 4 * 2 ** 20;

/** Bytes of files that may lie about when their thumbnails are made. */
const LITTER_BYTES = 4 * 2 ** 20;

/** How many may wait. A grid on a large screen has fewer. */
const WAITING_MAX = 400;

/** Larger images are refused, in pixels. */
const PIXELS_MAX = 64e6;

/** How thumbnails are made. */
export interface ThumbnailOptions {
  /**
   * How many files are read at a time, if that takes long. Default: each is read when it is its
   * turn.
   */
  readonly readAhead?: number;
  /** Whether they are made beside this thread, which has something else to do. */
  readonly isElsewhere?: boolean;
}

/** Makes thumbnails. */
export class Thumbnails {
  /** The one that was used last comes last. */
  private readonly kept = new Map<string, Uint8Array>();
  private keptBytes = 0;
  private readonly litter = new Litter(LITTER_BYTES);
  private readonly making = new Gate(1);
  private readonly reading: Gate | undefined;
  private readonly isElsewhere: boolean;

  constructor({ readAhead, isElsewhere = false }: ThumbnailOptions = {}) {
    this.reading = readAhead === undefined ? undefined : new Gate(readAhead);
    this.isElsewhere = isElsewhere;
  }

  /**
   * A thumbnail.
   *
   * @param key of the image and the width
   * @param read reads the file
   * @param gone whether somebody still waits for it
   * @returns a JPEG
   * @throws {Refused} 422 if it is no picture, 503 if too many wait
   */
  async of(key: string, width: number, read: Read, gone: AbortSignal): Promise<Uint8Array> {
    const known = this.kept.get(key);
    if (known !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, known);
      return known;
    }
    const { making, reading } = this;
    if (reading === undefined)
      return await making.pass(async () => await this.make(key, width, read, gone));
    return await reading.pass(async () => {
      const bytes = await unlessGone(read, gone);
      return await making.pass(async () => await this.make(key, width, () => bytes, gone));
    });
  }

  private async make(
    key: string,
    width: number,
    read: Read,
    gone: AbortSignal,
  ): Promise<Uint8Array> {
    const bytes = await unlessGone(read, gone);
    const made = await make(bytes, width, this.isElsewhere);
    this.keep(key, made);
    this.litter.add(bytes.byteLength);
    return made;
  }

  /** Forgets all. */
  clear(): void {
    this.kept.clear();
    this.keptBytes = 0;
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

/** Reads a file. */
type Read = () => Uint8Array | Promise<Uint8Array>;

async function unlessGone(read: Read, gone: AbortSignal): Promise<Uint8Array> {
  if (gone.aborted) throw new Refused(503, "Nobody waits for it");
  return await read();
}

/** Lets only so many in at a time, in the order in which they come. */
class Gate {
  private inside = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly room: number) {}

  /** @throws {Refused} 503 if too many wait */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.inside >= this.room) {
      if (this.waiting.length >= WAITING_MAX)
        throw new Refused(503, "Too many thumbnails are asked for at once");
      const { promise, resolve } = Promise.withResolvers<void>();
      this.waiting.push(resolve);
      await promise;
    }
    this.inside++;
    try {
      return await work();
    } finally {
      // Other questions have their turn first.
      setImmediate(() => {
        this.inside--;
        this.waiting.shift()?.();
      });
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

async function make(bytes: Uint8Array, width: number, isElsewhere: boolean): Promise<Uint8Array> {
  try {
    const image = new Bun.Image(bytes, { maxPixels: PIXELS_MAX })
      .resize(width, width, { fit: "inside", withoutEnlargement: true, filter: "bilinear" })
      .jpeg({ quality: QUALITY });
    // As the body of a response it is made here and now; else it is in another thread.
    return isElsewhere ? await image.bytes() : await new Response(image).bytes();
  } catch (error) {
    throw new Refused(422, `This file is no picture: ${messageOf(error)}`);
  }
}
