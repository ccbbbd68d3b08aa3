/**
 * Writes files that come from the bucket. Each is written under another name. When there are many,
 * the disk is flushed once, and all get their names. So a name stands for a whole file, also after
 * a power cut, and the disk is not flushed for each.
 *
 * @module
 */

import { futimesSync, ftruncateSync, writeSync } from "node:fs";
import type { RestoreTarget } from "../archive/restore-target.ts";
import { removeQuietly } from "../archive/content.ts";
import type { Member } from "../archive/layout.ts";
import { messageOf } from "../errors.ts";
import { close, syncFileSystem } from "../os/files.ts";
import type { Folder } from "../os/folder.ts";
import { type DataDirectory, TEMPORARY_PREFIX } from "../store/data-directory.ts";
import { giveToOwner, openOwn } from "../store/own-folder.ts";

/** Where files are written, in the folder for what can be made anew. */
const FOLDER = "restore";

/** What their names begin with where a folder is on a disk of its own. */
const PREFIX = `${TEMPORARY_PREFIX}restore-`;

/** So many files, or bytes, get their names together. */
const FILES_MAX = 256;
const BYTES_MAX = 64 * 2 ** 20;

/** A file that is being written. */
export class Arrival {
  private hasher = new Bun.CryptoHasher("sha256");
  /** How much of it there is. */
  bytes = 0;

  /**
   * @param place where it is, and `unfinished` its name there
   * @param fd is open for writing and reading
   */
  constructor(
    readonly fd: number,
    readonly place: Folder,
    readonly unfinished: string,
  ) {}

  /** Begins again. @throws {Error} of node:fs */
  clear(): void {
    ftruncateSync(this.fd, 0);
    this.hasher = new Bun.CryptoHasher("sha256");
    this.bytes = 0;
  }

  /** Adds some bytes. @throws {Error} of node:fs */
  write(bytes: Uint8Array): void {
    this.hasher.update(bytes);
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.fd, bytes, done, bytes.length - done, this.bytes + done);
    this.bytes += bytes.length;
  }

  /** The SHA-256 of all that was written, once. */
  sum(): string {
    return this.hasher.digest("hex");
  }
}

/** A file that is whole, and what it will be. */
interface Whole {
  readonly arrival: Arrival;
  readonly folder: Folder;
  readonly name: string;
  /** Called when it has its name. */
  readonly done: () => void;
  /** Called if it does not get it. The reason goes on from the file's path. */
  readonly failed: (reason: string) => void;
}

/** The files of one day that come. */
export class Landing implements Disposable {
  private readonly near: Folder;
  private readonly whole: Whole[] = [];
  private bytes = 0;
  private count = 0;

  /** Removes what an earlier run has left. @throws {SystemError} and {Error} of node:fs */
  constructor(
    directory: DataDirectory,
    private readonly target: RestoreTarget,
    parts: readonly Member["part"][],
  ) {
    using own = openOwn(directory);
    this.near = own.makeFolder(FOLDER);
    this.near.use((fd) => giveToOwner(fd, directory));
    for (const name of this.near.names()) this.near.unlink(name);
    for (const folder of parts.map((part) => target.folder(part)))
      if (!this.isNear(folder))
        for (const name of folder.names()) if (name.startsWith(PREFIX)) folder.unlink(name);
  }

  /** Begins a file. @throws {SystemError} */
  begin(part: Member["part"]): Arrival {
    const folder = this.target.folder(part);
    // Programs that watch a folder see only final names, unless it is on a disk of its own.
    const place = this.isNear(folder) ? this.near : folder;
    const name = `${PREFIX}${process.pid}-${this.count++}`;
    return new Arrival(place.create(name), place, name);
  }

  /**
   * A file is whole.
   *
   * @param modifiedS when it was modified last, in seconds since 1970
   * @throws {SystemError} and {Error} of node:fs, as {@link land}
   */
  add(part: Member["part"], modifiedS: number, whole: Omit<Whole, "folder">): void {
    const { arrival } = whole;
    try {
      futimesSync(arrival.fd, modifiedS, modifiedS);
    } catch {
      // Some file systems do not let it be set. It is not worth an error.
    }
    close(arrival.fd);
    this.whole.push({ ...whole, folder: this.target.folder(part) });
    this.bytes += arrival.bytes;
    if (this.whole.length >= FILES_MAX || this.bytes >= BYTES_MAX) this.land();
  }

  /** Removes a file that was begun. */
  abandon({ fd, place, unfinished }: Arrival): void {
    close(fd);
    removeQuietly(place, unfinished);
  }

  /** Gives all whole files their names. @throws {SystemError} if the disk cannot be flushed */
  land(): void {
    const all = this.whole.splice(0);
    this.bytes = 0;
    for (const place of new Set(all.map(({ arrival }) => arrival.place)))
      place.use((fd) => syncFileSystem(fd));
    for (const { arrival, folder, name, done, failed } of all) {
      const { place, unfinished } = arrival;
      try {
        if (place.moveNew(unfinished, folder, name)) {
          done();
          continue;
        }
        failed("came from elsewhere meanwhile");
      } catch (error) {
        // The file system may not allow the name, or somebody has removed the folder.
        failed(`is not restored: ${messageOf(error)}`);
      }
      removeQuietly(place, unfinished);
    }
    for (const folder of new Set(all.map((each) => each.folder))) folder.flush();
  }

  private isNear(folder: Folder): boolean {
    return folder.entry(".")!.device === this.near.entry(".")!.device;
  }

  [Symbol.dispose](): void {
    this.near[Symbol.dispose]();
  }
}
