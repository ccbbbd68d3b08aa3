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
import { type Address, SystemError } from "../os/ffi.ts";
import {
  announce,
  close,
  extendedAttribute,
  fsync,
  linkUnnamed,
  openNew,
  openUnnamed,
  unlink,
  writeAll,
  writeBytes,
} from "../os/files.ts";
import { Part, temporaryIn } from "./data-directory.ts";
import type { DataGuard } from "./data-guard.ts";
import { Naming, UNSUPPORTED } from "./naming.ts";

/** Permissions of new files, before the umask. */
const MODE = 0o644;

/**
 * For how long files get hidden names where unnamed ones did not work, until that is tried again,
 * in milliseconds: what says that a file system cannot do it (EPERM, EINVAL) may also pass. Each
 * time twice as long, as most often it is so for good.
 */
const HIDDEN_MS_MIN = 10_000;
const HIDDEN_MS_MAX = 3_600_000;

/** In place of a descriptor and of a hidden name. */
const NO_FILE = -1;
const NO_NAME = "";

/** Bytes outside the JavaScript heap: what a slot has. */
interface Payload {
  readonly payloadAddress: Address;
  readonly payloadBytes: number;
}

/** What a file is to hold. */
export type Content = Payload | Uint8Array;

/**
 * Writes whole files, one after the other: {@link begin}, {@link write}, and {@link publish} until
 * a name is free. Where one of these throws, {@link abandon}.
 */
export class WholeFileWriter {
  /** The file in hand: its folder, what it holds, and its descriptor while it is open. */
  private folder = "";
  private content: Content | undefined;
  private fd = NO_FILE;
  /** Whether it was begun under a hidden name, and that name while it has it. */
  private isHidden = false;
  private hidden = NO_NAME;
  private path = "";

  /** The folder that gets hidden files, until when, and for how long that is. */
  private hiddenFolder: string | undefined;
  private hiddenUntilMs = 0;
  private hiddenMs = 0;
  /** What the file system can do, where unnamed files do not work. */
  private naming: Naming | undefined;
  private count = 0;
  /** The folder for which it was looked last where its files are begun, and where that is. */
  private placeFolder = "";
  private place = "";

  /**
   * @param durable whether a file's bytes are on the disk before it gets its name
   * @param part where all the folders are
   * @param now in milliseconds
   */
  constructor(
    private readonly guard: DataGuard,
    private readonly durable: boolean,
    private readonly part: Part = Part.images,
    private readonly now = (): number => performance.now(),
  ) {}

  /**
   * Begins a new file.
   *
   * @param folder that is there
   * @throws {SystemError} and {DataDirectoryGone}
   */
  begin(folder: string): void {
    this.folder = folder;
    this.isHidden = false;
    if (this.hiddenFolder !== undefined) {
      if (folder === this.hiddenFolder && this.now() < this.hiddenUntilMs) {
        this.openHidden();
        return;
      }
      // Another folder may be on another disk, and this one have recovered.
      this.hiddenFolder = undefined;
      this.naming = undefined;
      this.placeFolder = "";
    }
    try {
      this.openUnnamed();
    } catch (error) {
      this.hideInstead(error);
    }
  }

  /**
   * Puts into the file all that it is to hold.
   *
   * @param content stays as it is until the file has its name
   * @throws {SystemError} and {DataDirectoryGone}
   */
  write(content: Content): void {
    this.content = content;
    try {
      this.fill();
    } catch (error) {
      this.hideInstead(error);
      this.fill();
    }
  }

  /**
   * Gives the file its name, and closes it. On a file system that has no place for some characters
   * it gets `-` for each of those.
   *
   * @returns false where the name is taken: another one is to be tried
   * @throws {SystemError} and {DataDirectoryGone}
   */
  publish(path: string): boolean {
    if (!this.name(path)) return false;
    this.close();
    if (this.isHidden) {
      this.removeHidden();
      // Where the one is refused as the other is, it is not for the lack of a name.
      if (this.hiddenFolder === undefined) this.hide();
    }
    this.content = undefined;
    return true;
  }

  /** Leaves nothing of a file that was begun and has not been published. It never throws. */
  abandon(): void {
    this.content = undefined;
    closeQuietly(this.fd);
    this.fd = NO_FILE;
    try {
      this.removeHidden();
    } catch {
      // There is an earlier error, which says more.
    }
  }

  /**
   * Tells whoever watches the folder that the file published last is whole, once, with its final
   * name: IN_CLOSE_WRITE where it got that by a link. Where it got it by a rename, IN_MOVED_TO has
   * told it.
   */
  announce(): void {
    if (!this.isHidden || this.naming?.isLink === true) announce(this.path);
  }

  private openUnnamed(): void {
    this.fd = openUnnamed(this.placeFor(this.folder), MODE);
    this.guard.check(this.part);
  }

  private openHidden(): void {
    this.isHidden = true;
    const place = this.placeFor(this.folder);
    const stem = temporaryIn(place, `${process.pid}-${threadId}-try`);
    this.naming ??= Naming.find(place, stem, this.guard.namesLock);
    const { fd, path } = this.openHiddenIn(place);
    this.fd = fd;
    this.hidden = path;
    this.guard.check(this.part);
  }

  private fill(): void {
    const { fd } = this;
    const content = this.content!;
    if (content instanceof Uint8Array) writeBytes(fd, content);
    else writeAll(fd, content.payloadAddress, content.payloadBytes);
    if (this.durable) fsync(fd);
    // What fails only now must not have its name by then.
    if (this.isHidden) this.close();
  }

  /** @returns false where the name is taken */
  private name(path: string): boolean {
    if (this.isHidden) {
      this.path = this.naming!.fitting(path);
      return this.naming!.give(this.hidden, this.path);
    }
    this.path = path;
    try {
      return linkUnnamed(this.fd, path);
    } catch (error) {
      this.hideInstead(error);
      this.fill();
      return this.name(path);
    }
  }

  /**
   * Goes on with a hidden file in place of the unnamed one. @param error of the unnamed one, thrown
   * again where it does not say that the file system has no such files
   */
  private hideInstead(error: unknown): void {
    if (this.isHidden || !(error instanceof SystemError) || !UNSUPPORTED.has(error.code))
      throw error;
    closeQuietly(this.fd);
    this.fd = NO_FILE;
    // Where another disk is at the path by now, it says so too, and tells nothing of this one.
    this.guard.check(this.part);
    this.placeFolder = "";
    this.openHidden();
  }

  private close(): void {
    const { fd } = this;
    this.fd = NO_FILE;
    if (fd !== NO_FILE) close(fd);
  }

  private removeHidden(): void {
    const { hidden } = this;
    this.hidden = NO_NAME;
    if (hidden !== NO_NAME) unlink(hidden);
  }

  /** From now on files of this folder get hidden names, for a while. */
  private hide(): void {
    const now = this.now();
    // Again soon after the last time: it has not passed.
    const isStill = now - this.hiddenUntilMs < this.hiddenMs;
    this.hiddenMs = isStill ? Math.min(HIDDEN_MS_MAX, 2 * this.hiddenMs) : HIDDEN_MS_MIN;
    this.hiddenUntilMs = now + this.hiddenMs;
    this.hiddenFolder = this.folder;
  }

  /**
   * Where a file for this folder is begun: in the data directory, or in the folder itself where it
   * would be another file there.
   */
  private placeFor(folder: string): string {
    if (folder === this.placeFolder) return this.place;
    const { path } = this.guard.directory;
    const place = areAlike(this.inheritedIn(folder), this.inheritedIn(path)) ? path : folder;
    this.placeFolder = folder;
    this.place = place;
    return place;
  }

  /** Makes a file there that is gone when this returns. @throws {SystemError} */
  private inheritedIn(place: string): Inherited {
    const fd = this.isHidden ? this.openNameless(place) : openUnnamed(place, MODE);
    try {
      return inheritedBy(fd);
    } finally {
      closeQuietly(fd);
    }
  }

  /** Opens a hidden file that has no name any more. */
  private openNameless(place: string): number {
    const { fd, path } = this.openHiddenIn(place);
    unlink(path);
    return fd;
  }

  /**
   * Opens a file under a hidden name. Names that an earlier process of the same number left in use
   * are passed over.
   */
  private openHiddenIn(place: string): { fd: number; path: string } {
    for (;;) {
      const path = temporaryIn(place, `${process.pid}-${threadId}-${this.count++}`);
      try {
        return { fd: openNew(path, MODE), path };
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "EEXIST") throw error;
      }
    }
  }
}

function closeQuietly(fd: number): void {
  try {
    if (fd !== NO_FILE) close(fd);
  } catch {
    // There is an earlier error, which says more.
  }
}

/**
 * What a file gets from the folder that it is made in: its device, group and permissions, and
 * labels.
 */
interface Inherited {
  readonly numbers: readonly number[];
  readonly attributes: readonly Buffer[];
}

function inheritedBy(fd: number): Inherited {
  const { dev, gid, mode } = fstatSync(fd);
  return {
    numbers: [dev, gid, mode],
    attributes: ["system.posix_acl_access", "security.selinux"].map((name) =>
      extendedAttribute(fd, name),
    ),
  };
}

function areAlike(one: Inherited, other: Inherited): boolean {
  return (
    one.numbers.every((number, index) => number === other.numbers[index]) &&
    one.attributes.every((attribute, index) => attribute.equals(other.attributes[index]!))
  );
}
