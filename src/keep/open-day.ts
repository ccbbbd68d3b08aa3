/**
 * A day's two folders, in `images` and in `kept`, held open while images are protected or not
 * protected any more.
 *
 * @module
 */

import { openIfThere, openKept } from "../catalog/kept.ts";
import type { Entry, Folder } from "../os/folder.ts";
import type { DataDirectory } from "../store/data-directory.ts";

/** What stands under one name in the two folders. */
export interface Pair {
  readonly image: Entry | undefined;
  readonly kept: Entry | undefined;
}

/** A day whose folders are open, if they are there. Whoever makes a missing one sets it. */
export class OpenDay implements Disposable {
  images: Folder | undefined;
  kept: Folder | undefined;
  readonly imagesPath: string;
  readonly keptPath: string;

  /** @throws {SystemError} ENOTDIR if a link or something else is in place of a folder */
  constructor(
    directory: DataDirectory,
    readonly date: string,
  ) {
    this.imagesPath = directory.dateFolder(date);
    this.keptPath = directory.keptFolder(date);
    this.kept = openKept(directory, date);
    try {
      this.images = openIfThere(this.imagesPath);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Looks at both. @throws {SystemError} */
  look(name: string): Pair {
    return { image: this.images?.entry(name), kept: this.kept?.entry(name) };
  }

  /**
   * Whether the two are the same file, or have the same content.
   *
   * @throws {Error} of node:fs
   */
  areSame(name: string, { image, kept }: Pair): boolean {
    if (image?.isFile !== true || kept?.isFile !== true || image.size !== kept.size) return false;
    if (image.device === kept.device && image.inode === kept.inode) return true;
    return Buffer.compare(this.images!.read(name), this.kept!.read(name)) === 0;
  }

  [Symbol.dispose](): void {
    this.kept?.[Symbol.dispose]();
    this.images?.[Symbol.dispose]();
  }
}
