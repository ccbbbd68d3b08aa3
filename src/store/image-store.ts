/**
 * Puts images where readers look for them:
 * `images/2018-12-30/Barn-Door-2018-12-30T23.13.31.620992.jpg`.
 *
 * @module
 */

import type { Calendar, LocalTime } from "../protocol/calendar.ts";
import { SystemError } from "../os/ffi.ts";
import { fsyncDirectory } from "../os/files.ts";
import type { DataGuard } from "./data-guard.ts";
import type { DateFolders, Permit } from "./date-folders.ts";
import { imageFileName, type ImageSuffix } from "../protocol/names.ts";
import { type Content, WholeFileWriter } from "./whole-file.ts";

/** In microseconds. */
const SECOND = 1_000_000;

/** How often to write an image before giving up, if its folder is removed each time. */
const ATTEMPTS = 2;

/** Stores images, each whole or not at all, and never over another one. */
export class ImageStore {
  private readonly file: WholeFileWriter;

  /** The path of the image that was stored last. */
  get path(): string {
    return this.file.publishedPath;
  }

  /** @param durable whether an image and its name are flushed to disk before `store` returns */
  constructor(
    private readonly folders: DateFolders,
    private readonly calendar: Calendar,
    private readonly durable: boolean,
    guard: DataGuard,
  ) {
    this.file = new WholeFileWriter(guard, durable);
  }

  /**
   * Stores an image.
   *
   * @param name the beginning of the file name, see `names.ts`
   * @param micros when it was received, in microseconds since 1970 UTC. If that name is taken, the
   * next free microsecond of the same second is used
   * @param suffix the kind of file
   * @returns "granted" if it is stored; otherwise its day's folder is full
   * @throws {SystemError} and {DataDirectoryGone}; then it is not stored
   */
  store(name: string, micros: number, content: Content, suffix: ImageSuffix): Permit {
    const time = this.calendar.local(micros);
    for (let attempt = 1; ; attempt++) {
      const permit = this.folders.reserve(time);
      if (permit !== "granted") return permit;
      try {
        this.write(name, time, micros, content, suffix);
        return permit;
      } catch (error) {
        this.file.abandon();
        const folderIsGone = error instanceof SystemError && error.code === "ENOENT";
        if (!folderIsGone || attempt === ATTEMPTS) {
          this.folders.release(time);
          throw error;
        }
        // Someone removed the folder, so its count is void.
        this.folders.forget(time);
      }
    }
  }

  private write(
    name: string,
    time: LocalTime,
    micros: number,
    content: Content,
    suffix: ImageSuffix,
  ): void {
    const { file } = this;
    const folder = this.folders.path(time);
    const second = micros - (micros % SECOND);
    let fraction = micros % SECOND;
    file.begin(folder);
    file.write(content);
    while (!file.publish(`${folder}/${imageFileName(name, time, second + fraction, suffix)}`))
      fraction = (fraction + 1) % SECOND;
    if (this.durable) fsyncDirectory(folder);
    file.announce();
  }
}
