/**
 * Files that are whole or absent: nobody ever sees one under its final name that is not complete,
 * none is written over, and a crash leaves nothing under a final name that was not finished.
 *
 * A file is written without a name (`O_TMPFILE`) and then linked to the one it is to have, which
 * fails where that is taken. That leaves nothing behind whenever it stops. File systems without
 * `O_TMPFILE` (NFS, exFAT) get a hidden temporary name, and then the real one as `naming.ts` finds
 * out. That is tried again after a while, and for each folder.
 *
 * It is begun in the data directory, not in its folder: who watches that folder (inotify) so hears
 * of no name but the last one.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { threadId } from "node:worker_threads";
import { SystemError } from "../os/ffi.ts";
import {
  announce,
  close,
  extendedAttribute,
  fsync,
  linkUnnamed,
  openNew,
  openUnnamed,
  unlink,
} from "../os/files.ts";
import { type DataDirectory, Part } from "./data-directory.ts";
import { Naming, UNSUPPORTED } from "./naming.ts";

/** Permissions of new files, before the umask. */
const MODE = 0o644;

/**
 * What hidden temporary names start with. They must not hold `log`: readers take such a file for an
 * event log.
 */
export const TEMPORARY_PREFIX = ".incoming-";

/**
 * For how long files get hidden names where unnamed ones did not work, until that is tried again,
 * in milliseconds: what says that a file system cannot do it (EPERM, EINVAL) may also pass. Each
 * time twice as long, as most often it is so for good.
 */
const HIDDEN_MS_MIN = 10_000;
const HIDDEN_MS_MAX = 3_600_000;

/** Writes whole files into folders of one file system. */
export class WholeFileWriter {
  /** The folder that gets hidden files, until when, and for how long that is. */
  private hiddenFolder: string | undefined;
  private hiddenUntilMs = 0;
  private hiddenMs = 0;
  /** What the file system can do, where unnamed files do not work. */
  private naming: Naming | undefined;
  /** Whether the file that was made last was a hidden one. */
  private wasHidden = false;
  private count = 0;
  /** The folder that was written to last, and where its files are begun. */
  private folder = "";
  private place = "";

  /**
   * @param data where all the folders are
   * @param durable whether a file's bytes are on the disk before it gets its name
   * @param part of {@link Part} that they are in
   * @param now in milliseconds
   */
  constructor(
    private readonly data: DataDirectory,
    private readonly durable: boolean,
    private readonly part: number = Part.images,
    private readonly now = (): number => performance.now(),
  ) {}

  /**
   * Stores a new file.
   *
   * @param folder that is there
   * @param write puts its bytes into the open file
   * @param nextPath gives the path to try first, and further ones for as long as those are taken
   * @returns the path that it got: one with `-` for each character that the file system has no
   * place for
   * @throws {SystemError} and {DataDirectoryGone}, and there is no file then
   */
  create(folder: string, write: (fd: number) => void, nextPath: () => string): string {
    this.wasHidden = false;
    if (this.hiddenFolder === undefined) {
      try {
        return this.createUnnamed(folder, write, nextPath);
      } catch (error) {
        if (!(error instanceof SystemError) || !UNSUPPORTED.has(error.code)) throw error;
        // Where another disk is at the path by now, it says so too, and tells nothing of this one.
        this.data.check(this.part);
        this.folder = "";
      }
    } else if (folder !== this.hiddenFolder || this.now() >= this.hiddenUntilMs) {
      // Another folder may be on another disk, and this one have recovered.
      this.hiddenFolder = undefined;
      this.naming = undefined;
      this.folder = "";
      return this.create(folder, write, nextPath);
    }
    this.wasHidden = true;
    const path = this.createHidden(folder, write, nextPath);
    // Where the one is refused as the other is, it is not for the lack of a name.
    if (this.hiddenFolder === undefined) this.hide(folder);
    return path;
  }

  /** From now on files of this folder get hidden names, for a while. */
  private hide(folder: string): void {
    const now = this.now();
    // Again soon after the last time: it has not passed.
    const isStill = now - this.hiddenUntilMs < this.hiddenMs;
    this.hiddenMs = isStill ? Math.min(HIDDEN_MS_MAX, 2 * this.hiddenMs) : HIDDEN_MS_MIN;
    this.hiddenUntilMs = now + this.hiddenMs;
    this.hiddenFolder = folder;
  }

  /**
   * Where a file for this folder is begun: in the data directory, or in the folder itself where it
   * would be another file there.
   */
  private placeFor(folder: string, open: (place: string) => number): string {
    if (folder === this.folder) return this.place;
    const { path } = this.data;
    const place = areAlike(inspect(folder, open), inspect(path, open)) ? path : folder;
    this.folder = folder;
    this.place = place;
    return place;
  }

  /**
   * Tells whoever watches the folder of a file that it is whole, once, with its final name:
   * IN_CLOSE_WRITE where it got that by a link. Where it got it by a rename, IN_MOVED_TO has told
   * it.
   *
   * @param path that {@link create} gave last
   */
  announce(path: string): void {
    if (!this.wasHidden || this.naming?.isLink === true) announce(path);
  }

  /** On the way of every image: without functions or objects made anew for each. */
  private createUnnamed(
    folder: string,
    write: (fd: number) => void,
    nextPath: () => string,
  ): string {
    const fd = openUnnamed(this.placeFor(folder, openUnnamedIn), MODE);
    let path: string;
    try {
      this.fill(fd, write);
      do path = nextPath();
      while (!linkUnnamed(fd, path));
    } catch (error) {
      closeQuietly(fd);
      throw error;
    }
    close(fd);
    return path;
  }

  private createHidden(
    folder: string,
    write: (fd: number) => void,
    nextPath: () => string,
  ): string {
    const place = this.placeFor(folder, (at) => this.openProbe(at));
    const naming = this.namingIn(place);
    const { fd, path: hidden } = this.openHidden(place);
    try {
      try {
        this.fill(fd, write);
      } catch (error) {
        closeQuietly(fd);
        throw error;
      }
      close(fd);
      for (;;) {
        const path = naming.fitting(nextPath());
        if (naming.give(hidden, path)) return path;
      }
    } finally {
      unlink(hidden);
    }
  }

  /** Opens a hidden file that has no name any more. */
  private openProbe(place: string): number {
    const { fd, path } = this.openHidden(place);
    unlink(path);
    return fd;
  }

  private namingIn(folder: string): Naming {
    const stem = `${folder}/${TEMPORARY_PREFIX}${process.pid}-${threadId}-try`;
    this.naming ??= Naming.find(folder, stem, this.data.namesLock);
    return this.naming;
  }

  /**
   * Opens a file under a hidden name. Names that an earlier process of the same number left in use
   * are passed over.
   */
  private openHidden(folder: string): { fd: number; path: string } {
    for (;;) {
      const path = `${folder}/${TEMPORARY_PREFIX}${process.pid}-${threadId}-${this.count++}`;
      try {
        return { fd: openNew(path, MODE), path };
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "EEXIST") throw error;
      }
    }
  }

  private fill(fd: number, write: (fd: number) => void): void {
    this.data.check(this.part);
    write(fd);
    if (this.durable) fsync(fd);
  }
}

function closeQuietly(fd: number): void {
  try {
    close(fd);
  } catch {
    // There is an earlier error, which says more.
  }
}

const openUnnamedIn = (place: string): number => openUnnamed(place, MODE);

/**
 * What a file gets from the folder that it is made in: its device, group and permissions, and
 * labels.
 */
interface Inherited {
  readonly numbers: readonly number[];
  readonly attributes: readonly Buffer[];
}

/** Makes a file there that is gone when this returns. @throws {SystemError} */
function inspect(place: string, open: (place: string) => number): Inherited {
  const fd = open(place);
  try {
    const { dev, gid, mode } = fstatSync(fd);
    return {
      numbers: [dev, gid, mode],
      attributes: ["system.posix_acl_access", "security.selinux"].map((name) =>
        extendedAttribute(fd, name),
      ),
    };
  } finally {
    closeQuietly(fd);
  }
}

function areAlike(one: Inherited, other: Inherited): boolean {
  return (
    one.numbers.every((number, index) => number === other.numbers[index]) &&
    one.attributes.every((attribute, index) => attribute.equals(other.attributes[index]!))
  );
}
