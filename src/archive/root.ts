/**
 * The directory of the archive, held open. The disk that belongs there may be missing: then nothing
 * may be written into the empty mount point. So an archive has a mark, and the hub makes the mark
 * by itself only where a disk is mounted.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../errors.ts";
import { SystemError } from "../os/ffi.ts";
import { PathLook } from "../os/files.ts";
import { Folder } from "../os/folder.ts";
import { type DataDirectory, TEMPORARY_PREFIX } from "../store/data-directory.ts";
import { diskOf, isMountPoint, missingMountOf } from "../store/file-system.ts";
import { MARK } from "./layout.ts";
import { isMarkOf, know, ownerOf, readMark, writeMark } from "./mark.ts";

/** The archive cannot be used. The message says why, and what to do. */
export class ArchiveProblem extends Error {
  override readonly name = "ArchiveProblem";
}

/** How an archive is marked on purpose. */
const INIT = "imagehub archive --init";

/** How the names of unfinished files begin: unlike those of a hub that stores there by mistake. */
const UNFINISHED = `${TEMPORARY_PREFIX}archive-`;

/** An open archive. */
export class ArchiveRoot implements Disposable {
  /**
   * The name of the file that is not finished. No other process ever has the same one, so what is
   * renamed is what was written.
   */
  readonly unfinished: string;
  /** How the mark named the data directory until now, if it has another name. */
  formerOwner: string | undefined;

  private constructor(
    readonly path: string,
    readonly folder: Folder,
    private readonly look: PathLook,
    /** The same for the same directory of the same disk. */
    readonly identity: string,
  ) {
    this.unfinished = `${UNFINISHED}${randomUUID()}`;
  }

  /**
   * Opens the directory, for reading.
   *
   * @param fstab tests have their own
   * @throws {ArchiveProblem} if it is missing, or its disk is
   */
  static open(path: string, directory: DataDirectory, fstab?: string): ArchiveRoot {
    if (path === "") {
      throw new ArchiveProblem("There is no archive: set hub.archive.directory in imagehub.yaml");
    }
    ArchiveRoot.refuseMissing(path, fstab);
    const look = new PathLook(path);
    let folder: Folder | undefined;
    try {
      folder = Folder.open(realpathSync(path));
      look.look();
      ArchiveRoot.refuseMissing(folder.path, fstab);
      const { device, inode } = folder.entry(".")!;
      const root = new ArchiveRoot(path, folder, look, `${device}/${inode}`);
      root.check();
      root.keepApart(directory);
      return root;
    } catch (error) {
      folder?.[Symbol.dispose]();
      throw asProblem(path, error);
    }
  }

  /**
   * Opens an archive that files may be written to. Marks it if it is a disk of its own.
   *
   * @throws {ArchiveProblem} if it may not be, or its disk is missing
   */
  static openToWrite(path: string, directory: DataDirectory, fstab?: string): ArchiveRoot {
    const root = ArchiveRoot.open(path, directory, fstab);
    try {
      root.requireOwn(directory);
      root.clear();
      const mark = readMark(root.folder);
      if (mark?.owner === ownerOf(directory)) know(directory, mark.key);
      else {
        root.formerOwner = mark?.owner;
        root.renewMark(directory);
      }
      return root;
    } catch (error) {
      root[Symbol.dispose]();
      throw asProblem(path, error);
    }
  }

  /**
   * Makes a directory the archive of a data directory because a person wishes it, also if it was
   * that of another one. Makes the directory, but not the one above it.
   *
   * @returns false if it is one already
   * @throws {ArchiveProblem} if that fails
   */
  static init(path: string, directory: DataDirectory, fstab?: string): boolean {
    ArchiveRoot.refuseMissing(path, fstab);
    if (path !== "" && statSync(path, { throwIfNoEntry: false }) === undefined) {
      try {
        mkdirSync(path);
        using above = Folder.open(realpathSync(dirname(path)));
        above.flush();
      } catch (error) {
        throw asProblem(path, error);
      }
    }
    using root = ArchiveRoot.open(path, directory, fstab);
    try {
      if (readMark(root.folder)?.owner === ownerOf(directory)) return false;
      root.clear();
      root.renewMark(directory);
    } catch (error) {
      throw asProblem(path, error);
    }
    return true;
  }

  /** @throws {ArchiveProblem} if /etc/fstab mounts a disk there that is not mounted */
  static refuseMissing(path: string, fstab?: string): void {
    const missing = missingMountOf(path, fstab);
    if (missing === undefined) return;
    throw new ArchiveProblem(
      `The disk of the archive ${path} is missing: mount it with: sudo mount ${missing}`,
    );
  }

  /** Whether this directory is an archive. @throws {SystemError} */
  get isMarked(): boolean {
    return this.folder.entry(MARK)?.isFile === true;
  }

  /**
   * Checks that the path still leads to this directory.
   *
   * @throws {ArchiveProblem} if its disk was unmounted or unplugged, or another one covers it
   */
  check(): void {
    const { look } = this;
    try {
      look.look();
    } catch (error) {
      throw asProblem(this.path, error);
    }
    const inode = BigInt(look.number(2)) | (BigInt(look.number(3)) << 32n);
    if (`${look.number(0)}:${look.number(1)}/${inode}` === this.identity) return;
    throw new ArchiveProblem(
      `The archive ${this.path} is not on its disk any more: mount the disk again`,
    );
  }

  /**
   * @throws {ArchiveProblem} unless this is the archive of the data directory, or the hub may make
   * it one by itself
   */
  requireOwn(directory: DataDirectory): void {
    const mark = readMark(this.folder);
    if (mark === undefined) return this.refuseUnmarked(directory);
    if (isMarkOf(mark, directory)) return;
    throw new ArchiveProblem(
      `${this.path} is the archive of ${mark.owner}, and this is ${ownerOf(directory)}: give each ` +
        `hub an archive of its own; if only the name or the path is new, take it over with: ${INIT}`,
    );
  }

  /** @throws {ArchiveProblem} unless a disk of its own is mounted at this very directory */
  refuseUnmarked({ path }: DataDirectory): void {
    const disk = diskOf(this.path);
    const isOwn = disk !== undefined && disk !== diskOf("/") && disk !== diskOf(path);
    // The empty mount point of a disk may lie on a third one.
    if (isOwn && isMountPoint(this.path)) return;
    throw new ArchiveProblem(
      `${this.path} is no archive yet, and no disk of its own is mounted there: mount the disk that ` +
        `belongs there, or make it an archive with: ${INIT}`,
    );
  }

  /**
   * Makes another mark. Copies of the data directory do not know it, so none of them can take the
   * archive over without a person.
   *
   * @throws {SystemError}
   */
  renewMark(directory: DataDirectory): void {
    writeMark(this.folder, this.unfinished, directory);
  }

  /** Removes what an earlier run has not finished. */
  private clear(): void {
    const { folder } = this;
    for (const name of folder.names()) if (name.startsWith(UNFINISHED)) folder.unlink(name);
  }

  private keepApart({ path }: DataDirectory): void {
    if (!existsSync(path)) return;
    const [data, archive] = [`${realpathSync(path)}/`, `${this.folder.path}/`];
    if (!data.startsWith(archive) && !archive.startsWith(data)) return;
    throw new ArchiveProblem(
      `The archive ${this.path} must be apart from the data directory ${path}`,
    );
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

function asProblem(path: string, error: unknown): ArchiveProblem {
  if (error instanceof ArchiveProblem) return error;
  const { code } = error as NodeJS.ErrnoException | SystemError;
  if (code === "ENOENT" || code === "ENOTDIR" || code === "ENODEV") {
    return new ArchiveProblem(
      `The archive ${path} is not there: mount its disk, or make it with: ${INIT}`,
      { cause: error },
    );
  }
  const advice =
    code === "EACCES" || code === "EPERM" ? "; it must belong to the user of the hub" : "";
  return new ArchiveProblem(`Cannot use the archive ${path}: ${messageOf(error)}${advice}`, {
    cause: error,
  });
}
