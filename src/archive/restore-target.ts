/**
 * The folders of a data directory that restored files of a day go to, from wherever they come.
 *
 * @module
 */

import { existsSync, realpathSync, statfsSync } from "node:fs";
import { size } from "../log/amounts.ts";
import { Folder } from "../os/folder.ts";
import { unlessMissing } from "../os/missing.ts";
import { type DataDirectory, TEMPORARY_PREFIX } from "../store/data-directory.ts";
import { type Content, copyFile, readOnce } from "./content.ts";
import { LOGS, type Member } from "./layout.ts";

/** The file from an archive that is not finished. The start of a hub removes it. */
const UNFINISHED = `${TEMPORARY_PREFIX}restore`;

/** Space that is left to a hub that stores meanwhile, in bytes; of a small disk, this part. */
const SPARE_BYTES = 64e6;
const SPARE_PART = 0.05;

/** What may be written to the disk of a folder, and what must be left of it, in bytes. */
export function roomIn(folder: string): {
  readonly freeBytes: number;
  readonly spareBytes: number;
} {
  const { bavail, blocks, bsize } = statfsSync(folder);
  return {
    freeBytes: bavail * bsize,
    spareBytes: Math.min(SPARE_BYTES, SPARE_PART * blocks * bsize),
  };
}

/** Where the files of a day go. */
export class RestoreTarget implements Disposable {
  private readonly top: Folder;
  private readonly parts: Partial<Record<Member["part"], Folder>> = {};

  constructor(
    private readonly directory: DataDirectory,
    private readonly date: string,
  ) {
    this.top = Folder.open(realpathSync(directory.path));
    try {
      this.openExisting();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  has({ part, name }: Member): boolean {
    return this.parts[part]?.entry(name) !== undefined;
  }

  /** Opens a file that is there. @returns undefined if it is none @throws {SystemError} */
  open({ part, name }: Member): number | undefined {
    const folder = this.parts[part];
    return folder?.entry(name)?.isFile === true ? folder.openFile(name) : undefined;
  }

  /** Reads a file that is there. @returns undefined if it is none @throws {ReadError} */
  read<T>(member: Member, use: (content: Content) => T): T | undefined {
    const fd = this.open(member);
    return fd === undefined ? undefined : readOnce(fd, use);
  }

  /** The folder of its images or of the logs. {@link make} must have made it. */
  folder(part: Member["part"]): Folder {
    return this.parts[part]!;
  }

  /** @returns false if the name is taken by now @throws {ReadError} {SystemError} {WrongCopy} */
  put({ part, name }: Member, content: Content, modifiedS: number, sum: string): boolean {
    const folder = this.folder(part);
    // Programs that watch a folder see only final names, unless it is on a disk of its own.
    const isNear = folder.entry(".")!.device === this.top.entry(".")!.device;
    const place = isNear ? this.top : folder;
    place.unlink(UNFINISHED);
    const copy = { content, modifiedS, place, unfinished: UNFINISHED, folder, name, sum };
    return copyFile(copy) !== undefined;
  }

  /** Why so many bytes cannot be written; undefined if they can. @throws {Error} of node:fs */
  lackOfRoom(bytes: number): string | undefined {
    const { images, path } = this.directory;
    const { freeBytes, spareBytes } = roomIn(existsSync(images) ? images : path);
    if (bytes + spareBytes <= freeBytes || bytes === 0) return undefined;
    return (
      `${size(bytes)} are needed, and ${size(spareBytes)} more for the hub: only ` +
      `${size(freeBytes)} are free`
    );
  }

  flush(): void {
    for (const folder of Object.values(this.parts)) folder.flush();
  }

  /**
   * Makes the folders that are missing. @param hasImages whether the day has any @throws
   * {SystemError} and {Error} of node:fs
   */
  make(hasImages = true): void {
    const { images, logs } = this.directory;
    // Both may be links to another disk.
    using all = Folder.open(realpathSync(images));
    if (hasImages) this.parts.images ??= all.makeFolder(this.date);
    this.parts.logs ??=
      this.top.entry(LOGS) === undefined
        ? this.top.makeFolder(LOGS)
        : Folder.open(realpathSync(logs));
  }

  private openExisting(): void {
    const { images, logs } = this.directory;
    const folder = unlessMissing(() => {
      using all = Folder.open(realpathSync(images));
      return all.folder(this.date);
    });
    if (folder !== undefined) this.parts.images = folder;
    const logFolder = unlessMissing(() => Folder.open(realpathSync(logs)));
    if (logFolder !== undefined) this.parts.logs = logFolder;
  }

  [Symbol.dispose](): void {
    for (const folder of [this.top, ...Object.values(this.parts)]) folder[Symbol.dispose]();
  }
}
