/**
 * Images of a day: lists of them, and the files themselves.
 *
 * @module
 */

import { closeSync, fstatSync, readSync } from "node:fs";
import { protectedNames } from "../catalog/kept.ts";
import { SystemError } from "../os/ffi.ts";
import { NotAFile } from "../os/files.ts";
import { Folder } from "../os/folder.ts";
import { parseImageFileName } from "../protocol/names.ts";
import type { ImageList } from "../page/answers.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import type { DayIndex } from "./day-index.ts";
import type { Places } from "./places.ts";
import { filterIn, numberIn, Refused, timeIn, timeText } from "./query.ts";
import type { StoredFile } from "./source.ts";

/** Most images in one list. */
const LIST_MAX = 1000;
const LIST_DEFAULT = 200;

/** Farther than any list goes. */
const PLACE_MAX = 999_999_999;

/** Lists images. @throws {Refused} */
export function listImages(
  day: DayIndex,
  query: URLSearchParams,
  isProtected: ReadonlySet<string>,
): ImageList {
  const places = day.places(filterIn(query));
  const limit = numberIn(query, "limit", { from: 0, to: LIST_MAX, default: LIST_DEFAULT });
  const { offset, ...around } = startOf(day, places, query, limit);
  const images = places.slice(offset, limit).map((place) => {
    const { name, camera, micros } = day.at(place);
    return { name, camera, time: timeText(micros), protected: isProtected.has(name) };
  });
  return { date: day.date, total: places.length, offset, ...around, images };
}

/** Where a list begins: at an offset, or so that it has what comes at a time. @throws {Refused} */
function startOf(
  day: DayIndex,
  places: Places,
  query: URLSearchParams,
  limit: number,
): { readonly offset: number; readonly place?: number } {
  const at = query.get("at");
  const asked = numberIn(query, "offset", { from: -PLACE_MAX, to: PLACE_MAX, default: 0 });
  if (at === null) return { offset: asked < 0 ? Math.max(0, places.length + asked) : asked };
  if (query.has("offset")) throw new Refused(400, "Give at or offset, not both");
  const place = places.before(day.find(timeIn(at)));
  const seen = Math.max(0, Math.min(place, places.length - 1));
  return { offset: limit === 0 ? place : seen - (seen % limit), place };
}

/** An image's neighbours of the same camera. */
export function neighboursOf(
  day: DayIndex,
  name: string,
): { readonly previous: string | null; readonly next: string | null } {
  const place = day.indexOf(name);
  if (place < 0) return { previous: null, next: null };
  const { camera } = day.at(place);
  const nearest = (step: number): string | null => {
    for (let index = place + step; index >= 0 && index < day.count; index += step)
      if (day.cameraAt(index) === camera) return day.at(index).name;
    return null;
  };
  return { previous: nearest(-1), next: nearest(1) };
}

/** An open image, until it is disposed of. */
export class OpenImage implements StoredFile {
  readonly bytes: number;
  /** In milliseconds since 1970. */
  readonly modifiedMs: number;
  /** For an ETag: an image never changes, but a file of its name may be put in its place. */
  readonly tag: string;
  private isClosed = false;

  private constructor(
    readonly name: string,
    private readonly fd: number,
  ) {
    const { size, mtimeMs, ino } = fstatSync(fd);
    this.bytes = size;
    this.modifiedMs = mtimeMs;
    this.tag = `"${size.toString(36)}-${ino.toString(36)}-${Math.floor(mtimeMs).toString(36)}"`;
  }

  /**
   * Opens an image of a day, which may be in `images` or only in `kept`. Never through a symbolic
   * link.
   *
   * @throws {Refused} 404 if it is not there
   * @throws {SystemError}
   */
  static open(directory: DataDirectory, date: string, name: string): OpenImage {
    if (parseImageFileName(name, date) !== undefined) {
      for (const path of [directory.dateFolder(date), directory.keptFolder(date)]) {
        try {
          using folder = Folder.open(path);
          return new OpenImage(name, folder.openFile(name));
        } catch (error) {
          const code = error instanceof SystemError ? error.code : "";
          if (!(error instanceof NotAFile) && !GONE.has(code)) throw error;
        }
      }
    }
    throw new Refused(404, "There is no such image; it may have been deleted");
  }

  /** Whether there is such an image. @throws {SystemError} */
  static isThere(directory: DataDirectory, date: string, name: string): boolean {
    try {
      using _ = OpenImage.open(directory, date, name);
      return true;
    } catch (error) {
      if (error instanceof Refused) return false;
      throw error;
    }
  }

  /** Reads a piece. @throws {Error} of node:fs, or if the file has become shorter */
  read(from = 0, length = this.bytes - from): Uint8Array {
    const piece = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.fd, piece, done, length - done, from + done);
      if (count === 0) throw new Error(`${this.name} has become shorter while it was read`);
      done += count;
    }
    return piece;
  }

  /** May be called again. */
  [Symbol.dispose](): void {
    if (!this.isClosed) closeSync(this.fd);
    this.isClosed = true;
  }
}

/** Errors of an open that mean: there is no such image. */
const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"]);

/** The protected images of a day; none if that cannot be read. */
export function protectedOf(directory: DataDirectory, date: string): ReadonlySet<string> {
  try {
    return protectedNames(directory, date);
  } catch (error) {
    if (error instanceof SystemError) return new Set();
    throw error;
  }
}
