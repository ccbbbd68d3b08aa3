/**
 * Guards the data directory: nothing is written or made below its path unless it is the directory
 * that the hub was started with. The path can lead to another directory at any time: if a disk is
 * unplugged, unmounted or covered by another one, or if the directory is moved.
 *
 * The identity of the directory is in shared memory, where `data-watch.ts` puts it. Each thread
 * that stores checks it after opening a file and before writing.
 *
 * @module
 */

import { lstatSync, mkdirSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { messageOf } from "../errors.ts";
import { SystemError } from "../os/ffi.ts";
import { PathLook } from "../os/files.ts";
import { SharedLock } from "../shared/lock.ts";
import { Integer, type Shared } from "../shared/memory.ts";
import { type DataDirectory, Part } from "./data-directory.ts";

/** What is wrong with the data directory, as a number for shared memory. */
export const DataState = {
  right: 0,
  /** Nothing is at the path. */
  missing: 1,
  /** Another directory is at the path. */
  replaced: 2,
  /** The directory is right, but another hub has its lock. */
  taken: 3,
  /** `images` or `logs` is on another disk than before. */
  moved: 4,
  /** It cannot be checked, so it cannot be written either. */
  unreadable: 5,
} as const;

/** One of {@link DataState}. */
export type DataStateNumber = (typeof DataState)[keyof typeof DataState];

/**
 * The content of shared memory from {@link Integer.dataIdentity} on: the numbers of the directory
 * (two of its device, two of its inode), then the device numbers of each folder.
 */
const IDENTITY = 4;
const DEVICE = 2;

/** The index of a folder's device numbers. */
const deviceAt = (part: Part): number => IDENTITY + DEVICE * part;

/** Nothing can be stored, because the data directory is gone. The message says what to do. */
export class DataDirectoryGone extends Error {
  override readonly name = "DataDirectoryGone";
}

/** The result of a check. */
export interface Finding {
  readonly state: DataStateNumber;
  /** Why it cannot be checked. */
  readonly reason?: string;
}

/** The guard of the data directory in one thread. */
export class DataGuard {
  /**
   * Held while checking that a name is free and then taking it, on file systems that cannot do both
   * at once.
   */
  readonly namesLock: SharedLock;
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly self: PathLook;
  private readonly folders: readonly [images: PathLook, logs: PathLook];

  constructor(
    readonly directory: DataDirectory,
    shared: Shared,
  ) {
    this.integers = shared.integers;
    this.namesLock = new SharedLock(shared.integers, Integer.namesLock);
    this.self = new PathLook(directory.path);
    this.folders = [new PathLook(directory.images), new PathLook(directory.logs)];
  }

  /** Adopts the directory that is there now. @throws {SystemError} if it cannot be checked */
  adopt(): void {
    const { self } = this;
    self.look();
    this.remember(0, IDENTITY, self);
    for (const part of [Part.images, Part.logs]) {
      const folder = this.folders[part];
      // A missing folder is made in the data directory.
      this.remember(deviceAt(part), DEVICE, isFound(folder) ? folder : self);
    }
    this.state = DataState.right;
  }

  /** The latest problem; `right` if there was none. */
  get state(): DataStateNumber {
    return Atomics.load(this.integers, Integer.dataState) as DataStateNumber;
  }

  set state(state: DataStateNumber) {
    Atomics.store(this.integers, Integer.dataState, state);
  }

  /** What was found last to be wrong, for a person; undefined if nothing was. */
  get problem(): string | undefined {
    return this.state === DataState.right ? undefined : this.describe(this.state);
  }

  /** The message for a person. @param reason for `unreadable` */
  describe(state: DataStateNumber, reason = "see the log"): string {
    const { path } = this.directory;
    switch (state) {
      case DataState.missing:
        return `The data directory ${path} is not there any more: mount its disk again, or move it back`;
      case DataState.replaced:
        return `The data directory ${path} is another one than at the start: mount its disk again, or restart the hub to use the one that is there now`;
      case DataState.taken:
        return `Another hub has locked the data directory ${path}: stop that, or set another data_directory`;
      case DataState.moved:
        return `A folder of the data directory ${path} is on another disk than at the start: mount its disk again, or restart the hub to use what is there now`;
      case DataState.right:
        return `The data directory ${path} is there`;
      case DataState.unreadable:
      default:
        return `Cannot look at the data directory ${path}: ${reason}`;
    }
  }

  /**
   * Checks that the path leads to the right directory. Call it after opening each file and before
   * the first write: if all is right then, what was opened before is in the right place.
   *
   * @param part where the file is
   * @throws {DataDirectoryGone} if it is not
   */
  check(part: Part): void {
    let { state } = this;
    let reason: string | undefined;
    if (state === DataState.right) {
      try {
        this.self.look();
        if (!this.isSelf(this.self)) state = DataState.replaced;
        else if (!this.sharesDisk(part) && !this.isOnItsDisk(part)) state = DataState.moved;
      } catch (error) {
        state = stateOf(error);
        reason = messageOf(error);
      }
    }
    if (state !== DataState.right) throw new DataDirectoryGone(this.describe(state, reason));
  }

  /**
   * The state of the path and its folders now, whatever was found before. Does not check for
   * another hub's lock.
   */
  look(): Finding {
    try {
      this.self.look();
    } catch (error) {
      return { state: stateOf(error), reason: messageOf(error) };
    }
    if (!this.isSelf(this.self)) return { state: DataState.replaced };
    const isRight = this.isOnItsDisk(Part.images) && this.isOnItsDisk(Part.logs);
    return { state: isRight ? DataState.right : DataState.moved };
  }

  /**
   * Like {@link look}, but without the folders, for a thread that must not wait for a disk.
   *
   * @param path of the directory, if it is open, such as `/proc/self/fd/7`
   */
  async lookSoon(path = this.directory.path): Promise<Finding> {
    if (this.state !== DataState.right) return { state: this.state };
    try {
      const isSelf = this.isSelf(await numbersAt(path));
      return { state: isSelf ? DataState.right : DataState.replaced };
    } catch (error) {
      return { state: stateOf(error), reason: messageOf(error) };
    }
  }

  /**
   * Makes `images` or `logs` if missing; never the data directory itself or its parents. The folder
   * must be on the same disk as at the start, unless it was removed and is made here.
   *
   * @throws {DataDirectoryGone} and {Error} of node:fs
   */
  makeFolder(part: Part): void {
    this.check(part);
    const path = this.directory.folders[part];
    const folder = this.folders[part];
    if (isFound(folder)) {
      if (!this.isKnown(deviceAt(part), DEVICE, folder)) this.failMoved();
      return;
    }
    // A dangling link.
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) this.failMoved();
    makeOne(path);
    folder.look();
    this.remember(deviceAt(part), DEVICE, folder);
  }

  /** Makes the folder of a day if missing, like {@link makeFolder}. */
  makeDateFolder(date: string): void {
    this.makeFolder(Part.images);
    makeOne(this.directory.dateFolder(date));
  }

  private failMoved(): never {
    throw new DataDirectoryGone(this.describe(DataState.moved));
  }

  /** Whether these are the numbers of the right directory. */
  private isSelf(numbers: Numbers): boolean {
    return this.isKnown(0, IDENTITY, numbers);
  }

  /** Whether a folder is on the disk of the data directory: then it cannot disappear alone. */
  private sharesDisk(part: Part): boolean {
    const { integers } = this;
    const at = Integer.dataIdentity + deviceAt(part);
    return (
      integers[at] === integers[Integer.dataIdentity] &&
      integers[at + 1] === integers[Integer.dataIdentity + 1]
    );
  }

  /**
   * Whether a folder on its own disk is still there. The next writer makes a missing one again, or
   * is refused.
   */
  private isOnItsDisk(part: Part): boolean {
    const folder = this.folders[part];
    return !isFound(folder) || this.isKnown(deviceAt(part), DEVICE, folder);
  }

  /** Whether the first numbers match the remembered ones. */
  private isKnown(at: number, count: number, numbers: Numbers): boolean {
    for (let index = 0; index < count; index++) {
      const known = this.integers[Integer.dataIdentity + at + index];
      if (known !== (numbers.number(index) | 0)) return false;
    }
    return true;
  }

  private remember(at: number, count: number, numbers: Numbers): void {
    for (let index = 0; index < count; index++)
      this.integers[Integer.dataIdentity + at + index] = numbers.number(index);
  }
}

/** The numbers of a directory: 0 and 1 are its device's, 2 and 3 its inode's. */
type Numbers = Pick<PathLook, "number">;

/** The same numbers as those of a {@link PathLook}. @throws {Error} of node:fs */
async function numbersAt(path: string): Promise<Numbers> {
  const { dev, ino } = await stat(path, { bigint: true });
  // Computed like gnu_dev_major and gnu_dev_minor of the C library.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const numbers = [major, minor, ino & 0xffff_ffffn, (ino >> 32n) & 0xffff_ffffn];
  return { number: (index) => Number(BigInt.asUintN(32, numbers[index]!)) };
}

function stateOf(error: unknown): DataStateNumber {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR" ? DataState.missing : DataState.unreadable;
}

function isFound(look: PathLook): boolean {
  try {
    look.look();
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === "ENOENT") return false;
    throw error;
  }
}

function makeOne(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST" || statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw error;
  }
}
