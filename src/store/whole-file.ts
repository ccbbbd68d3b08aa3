/**
 * Files that are whole or absent. Nobody ever sees an incomplete file under its final name. No file
 * is overwritten. A crash leaves nothing unfinished under a final name.
 *
 * A file is written without a name (`O_TMPFILE`) and then linked to its name, which fails if the
 * name is taken. This leaves nothing behind whenever it stops. On file systems without `O_TMPFILE`
 * (NFS, exFAT), it gets a hidden temporary name, and then the final one as `naming.ts` finds out.
 * `O_TMPFILE` is tried again after a while, and for each folder.
 *
 * Files are begun in the data directory, not in their folder. So programs that watch the folder
 * (inotify) see only the final name.
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
 * How long files get hidden names if unnamed files did not work, before these are tried again, in
 * milliseconds. Errors that mean that a file system cannot do it (EPERM, EINVAL) may be temporary.
 * The time doubles, because they are usually permanent.
 */
const HIDDEN_MS_MIN = 10_000;
const HIDDEN_MS_MAX = 3_600_000;

/** Used instead of a descriptor and of a hidden name. */
const NO_FILE = -1;
const NO_NAME = "";

/** Bytes outside the JavaScript heap: a slot's content. */
interface Payload {
  readonly payloadAddress: Address;
  readonly payloadBytes: number;
}

/** The content of a file. */
export type Content = Payload | Uint8Array;

/**
 * Writes whole files one after the other: {@link begin}, {@link write}, and {@link publish} until a
 * name is free. If one of these throws, call {@link abandon}.
 */
export class WholeFileWriter {
  /** The current file: its folder, its content, and its descriptor while open. */
  private folder = "";
  private content: Content | undefined;
  private fd = NO_FILE;
  /** Whether it has a hidden name, and that name while it exists. */
  private isHidden = false;
  private hidden = NO_NAME;
  private path = "";

  /** The folder that gets hidden files, until when, and for how long in total. */
  private hiddenFolder: string | undefined;
  private hiddenUntilMs = 0;
  private hiddenMs = 0;
  /** The file system's abilities, if unnamed files do not work. */
  private naming: Naming | undefined;
  private count = 0;
  /** The folder checked last for where its files are begun, and that place. */
  private placeFolder = "";
  private place = "";

  /**
   * @param durable whether a file's bytes are flushed to disk before it gets its name
   * @param part contains all the folders
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
   * @param folder must exist
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
      // Another folder may be on another disk, and this one may have recovered.
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
   * Writes the whole content.
   *
   * @param content must not change until the file has its name
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
   * Gives the file its name and closes it. If the file system does not allow some characters, `-`
   * replaces each of them.
   *
   * @returns false if the name is taken: try another one
   * @throws {SystemError} and {DataDirectoryGone}
   */
  publish(path: string): boolean {
    if (!this.name(path)) return false;
    this.close();
    if (this.isHidden) {
      this.removeHidden();
      // If both kinds of file are refused alike, the lack of a name is not the cause.
      if (this.hiddenFolder === undefined) this.hide();
    }
    this.content = undefined;
    return true;
  }

  /** The path of the last published file. */
  get publishedPath(): string {
    return this.path;
  }

  /** Removes a file that was begun but not published. Never throws. */
  abandon(): void {
    this.content = undefined;
    closeQuietly(this.fd);
    this.fd = NO_FILE;
    try {
      this.removeHidden();
    } catch {
      // An earlier error says more.
    }
  }

  /**
   * Notifies programs that watch the folder that the last published file is whole, once, with its
   * final name. IN_CLOSE_WRITE is made here if the name came by a link. If it came by a rename,
   * IN_MOVED_TO has told them already.
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
    // If closing fails, the file must not have its name yet.
    if (this.isHidden) this.close();
  }

  /** @returns false if the name is taken */
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
   * Continues with a hidden file instead of the unnamed one. @param error of the unnamed one;
   * thrown again unless it means that the file system has no such files
   */
  private hideInstead(error: unknown): void {
    if (this.isHidden || !(error instanceof SystemError) || !UNSUPPORTED.has(error.code))
      throw error;
    closeQuietly(this.fd);
    this.fd = NO_FILE;
    // If another disk is at the path by now, its error says nothing about this one.
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

  /** From now on, files of this folder get hidden names for a while. */
  private hide(): void {
    const now = this.now();
    // Soon after the last time: it has not recovered.
    const isStill = now - this.hiddenUntilMs < this.hiddenMs;
    this.hiddenMs = isStill ? Math.min(HIDDEN_MS_MAX, 2 * this.hiddenMs) : HIDDEN_MS_MIN;
    this.hiddenUntilMs = now + this.hiddenMs;
    this.hiddenFolder = this.folder;
  }

  /**
   * Where to begin a file for this folder: in the data directory, or in the folder itself if the
   * file would be different there.
   */
  private placeFor(folder: string): string {
    if (folder === this.placeFolder) return this.place;
    const { path } = this.guard.directory;
    const place = areAlike(this.inheritedIn(folder), this.inheritedIn(path)) ? path : folder;
    this.placeFolder = folder;
    this.place = place;
    return place;
  }

  /** Makes a file there that is removed when this returns. @throws {SystemError} if that fails */
  private inheritedIn(place: string): Inherited {
    const fd = this.isHidden ? this.openNameless(place) : openUnnamed(place, MODE);
    try {
      return inheritedBy(fd);
    } finally {
      closeQuietly(fd);
    }
  }

  /** Opens a hidden file that has already lost its name. */
  private openNameless(place: string): number {
    const { fd, path } = this.openHiddenIn(place);
    unlink(path);
    return fd;
  }

  /**
   * Opens a file with a hidden name. Skips names that an earlier process with the same id left in
   * use.
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
    // An earlier error says more.
  }
}

/** What a file inherits from its folder: device, group, permissions and labels. */
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
