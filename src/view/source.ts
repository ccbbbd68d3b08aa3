/**
 * What the page and the API read from: the files of a hub, or a bucket with those of many.
 *
 * @module
 */

import type { Camera, Days, HubEvent } from "../page/answers.ts";
import type { DayIndex } from "./day-index.ts";
import type { Live } from "./live.ts";
import type { Protected } from "./protect.ts";
import type { ThumbnailOptions } from "./thumbnails.ts";

/** A stored image, until it is disposed of. */
export interface StoredFile extends Disposable {
  readonly name: string;
  readonly bytes: number;
  /** In milliseconds since 1970. */
  readonly modifiedMs: number;
  /** For an ETag. */
  readonly tag: string;
  /** Reads a piece. @throws {Error} if it cannot be read */
  read(from?: number, length?: number): Uint8Array;
}

/** The lines of an event log. */
export interface LogLines {
  readonly count: number;
  /** A line; undefined if it is no record. @param index from 0 */
  at(index: number): HubEvent | undefined;
}

/** An event log. */
export interface EventLog {
  /** Its date; or `current`, which sorts behind all dates. */
  readonly name: string;
  /** In bytes, as far as it is known. */
  readonly size: number;
  readonly lines: () => Promise<LogLines>;
}

/** Where images and events are. What it returns may reject if that cannot be read now. */
export interface Source {
  /** Is told what is stored from now on. */
  readonly live: Live;
  readonly thumbnails: ThumbnailOptions;
  /** The answer of the list of days. */
  list(): Promise<Days>;
  /** The cameras of the last days that have images. */
  cameras(): Promise<readonly Camera[]>;
  /** A day; undefined if it has no images. @param date such as `2018-12-30` */
  day(date: string): Promise<DayIndex | undefined>;
  /** Opens an image. Rejects with a `Refused` if it is not there. */
  image(date: string, name: string): Promise<StoredFile>;
  isThere(date: string, name: string): Promise<boolean>;
  /** The protected images of a day. */
  protectedOf(date: string): ReadonlySet<string>;
  /** Protects images, or does so no more. Rejects with a `Refused` if that cannot be done. */
  protect(
    images: readonly (readonly [date: string, name: string])[],
    isProtect: boolean,
  ): Promise<Protected>;
  /** The events of a day in their order. */
  eventsOf(date: string): Promise<Iterable<HubEvent>>;
  /** The event logs that may have lines of some days, the latest first. */
  logs(first: string, last: string): Promise<readonly EventLog[]>;
  /** What an image is called when it is saved elsewhere. */
  fileName(name: string): string;
  /** Why it cannot be read, in words for a person. */
  explain(error: unknown): string;
  /** Somebody looks: follows what is stored. May be called again. */
  wake(): void;
  /** Nobody looks any more: forgets what takes memory. */
  rest(): void;
}
