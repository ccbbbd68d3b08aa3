/**
 * The one directory that the hub was started on: a path can lead to another one at any time, when a
 * disk is pulled out, unmounted or covered by another, or when the directory is moved.
 *
 * Nothing is written or made below its path unless it is that directory. Which one it is stands in
 * shared memory, where `data-watch.ts` puts it; every thread that stores looks by itself, once it
 * has opened a file and before it writes.
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

/** Where a disk of its own may be mounted, or a link lead to one. */
const PARTS = ["images", "logs"] as const;

/** One of them. What is written to one never waits for the disk of the other. */
export const Part = { images: 0, logs: 1 } as const;

/** What is wrong with the data directory, as a number that fits into shared memory. */
export const DataState = {
  right: 0,
  /** Nothing is there. */
  missing: 1,
  /** Another directory is there. */
  replaced: 2,
  /** It is the right one, but another hub has its lock. */
  taken: 3,
  /** `images` or `logs` is on another disk than it was. */
  moved: 4,
  /** It cannot be looked at, and so not be written either. */
  unreadable: 5,
} as const;

/** One of {@link DataState}. */
export type DataStateNumber = (typeof DataState)[keyof typeof DataState];

/** Numbers of a directory: two of its device, two of its inode. */
const IDENTITY = 4;

/** Nothing can be stored, as the data directory is not there. Its message says what to do. */
export class DataDirectoryGone extends Error {
  override readonly name = "DataDirectoryGone";
}

/** What a person is told. @param reason of `unreadable` */
export function describeState(
  path: string,
  state: DataStateNumber,
  reason = "see the log",
): string {
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

/** The data directory, as one thread sees it. */
export class DataDirectory {
  /**
   * Held by whoever looks whether a name is free and then takes it, where the file system cannot do
   * both at once.
   */
  readonly namesLock: SharedLock;
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly self: PathLook;
  private readonly parts: readonly PathLook[];

  /** @param path absolute */
  constructor(
    readonly path: string,
    shared: Shared,
  ) {
    this.integers = shared.integers;
    this.namesLock = new SharedLock(shared.integers, Integer.namesLock);
    this.self = new PathLook(path);
    this.parts = PARTS.map((part) => new PathLook(`${path}/${part}`));
  }

  /** Makes what is there now the directory to write to. @throws {SystemError} */
  adopt(): void {
    const { integers, self, parts } = this;
    self.look();
    for (let index = 0; index < IDENTITY; index++) this.expect(index, self.number(index));
    for (const [at, part] of parts.entries()) {
      // One that is not there is made beside the rest.
      const look = found(part) ? part : self;
      for (const index of [0, 1]) this.expect(IDENTITY + 2 * at + index, look.number(index));
    }
    Atomics.store(integers, Integer.dataState, DataState.right);
  }

  private expect(index: number, number: number): void {
    this.integers[Integer.dataIdentity + index] = number;
  }

  private isExpected(index: number, number: number): boolean {
    return this.integers[Integer.dataIdentity + index] === (number | 0);
  }

  /** What was found wrong last; `right` where nothing was. */
  get state(): DataStateNumber {
    return Atomics.load(this.integers, Integer.dataState) as DataStateNumber;
  }

  set state(state: DataStateNumber) {
    Atomics.store(this.integers, Integer.dataState, state);
  }

  /**
   * Looks whether the path leads to it. To be called between the opening of each file and the first
   * write: what was opened before a look that finds all right is in the right place.
   *
   * @param part where it is, of {@link Part}
   * @throws {DataDirectoryGone}
   */
  check(part: number): void {
    let { state } = this;
    let reason: string | undefined;
    if (state === DataState.right) {
      try {
        this.self.look();
        if (!this.isThis(this.self)) state = DataState.replaced;
        else if (!this.isHere(part) && !this.isOnItsDisk(this.parts[part]!, part))
          state = DataState.moved;
      } catch (error) {
        state = stateOf(error);
        reason = messageOf(error);
      }
    }
    if (state !== DataState.right)
      throw new DataDirectoryGone(describeState(this.path, state, reason));
  }

  /**
   * Whether one of them is on the disk of the data directory: nobody can take it away without that
   * one.
   */
  private isHere(part: number): boolean {
    const { integers } = this;
    const at = Integer.dataIdentity + IDENTITY + 2 * part;
    return (
      integers[at] === integers[Integer.dataIdentity] &&
      integers[at + 1] === integers[Integer.dataIdentity + 1]
    );
  }

  /**
   * Whether one of them, on a disk of its own, still is. One that is gone is made again by who
   * writes next, or refused there.
   */
  private isOnItsDisk(look: PathLook, part: number): boolean {
    const at = IDENTITY + 2 * part;
    return !found(look) || [0, 1].every((index) => this.isExpected(at + index, look.number(index)));
  }

  /** Whether a look found the directory that is to be written to. */
  private isThis(look: Pick<PathLook, "number">): boolean {
    for (let index = 0; index < IDENTITY; index++) {
      if (!this.isExpected(index, look.number(index))) return false;
    }
    return true;
  }

  /**
   * Makes a folder in it, and those between, where they are not there; never the directory itself,
   * nor what is above.
   *
   * @param folder `images`, `logs`, or one below, as an absolute path
   * @throws {DataDirectoryGone} and {Error} of node:fs
   */
  makeFolder(folder: string): void {
    let path = this.path;
    const names = folder.slice(path.length + 1).split("/");
    const part = PARTS.indexOf(names[0] as (typeof PARTS)[number]);
    this.check(Math.max(part, 0));
    for (const [depth, name] of names.entries()) {
      path += `/${name}`;
      if (part < 0 || depth > 0) makeOne(path);
      else this.makePart(part, path);
    }
  }

  /**
   * `images` or `logs`: on the disk that it was on at the start, unless it was removed and is made
   * here.
   */
  private makePart(part: number, path: string): void {
    const at = IDENTITY + 2 * part;
    const look = this.parts[part]!;
    if (!found(look)) {
      // A link to what is not there.
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) this.failMoved();
      makeOne(path);
      look.look();
      for (const index of [0, 1]) this.expect(at + index, look.number(index));
    }
    for (const index of [0, 1])
      if (!this.isExpected(at + index, look.number(index))) this.failMoved();
  }

  private failMoved(): never {
    throw new DataDirectoryGone(describeState(this.path, DataState.moved));
  }

  /**
   * What stands at the path and what at its folders, whatever was found last.
   *
   * @returns what is wrong, and the reason where it cannot be looked at; a lock that another hub
   * has is not looked for
   */
  look(): { state: DataStateNumber; reason?: string } {
    try {
      this.self.look();
    } catch (error) {
      return { state: stateOf(error), reason: messageOf(error) };
    }
    if (!this.isThis(this.self)) return { state: DataState.replaced };
    return {
      state: this.parts.every((part, at) => this.isOnItsDisk(part, at))
        ? DataState.right
        : DataState.moved,
    };
  }

  /** As {@link look} without the folders, for a thread that must not wait for a disk. */
  async lookSoon(): Promise<{ state: DataStateNumber; reason?: string }> {
    if (this.state !== DataState.right) return { state: this.state };
    try {
      const numbers = await numbersAt(this.path);
      const isThis = numbers.every((number, index) => this.isExpected(index, number));
      return { state: isThis ? DataState.right : DataState.replaced };
    } catch (error) {
      return { state: stateOf(error), reason: messageOf(error) };
    }
  }
}

type Numbers = readonly [major: number, minor: number, low: number, high: number];

/** The same numbers as those of a {@link PathLook}. @throws {Error} of node:fs */
async function numbersAt(path: string): Promise<Numbers> {
  const { dev, ino } = await stat(path, { bigint: true });
  // As gnu_dev_major and gnu_dev_minor of the C library have it.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return [major, minor, ino & 0xffff_ffffn, (ino >> 32n) & 0xffff_ffffn].map((number) =>
    Number(BigInt.asUintN(32, number)),
  ) as unknown as Numbers;
}

function stateOf(error: unknown): DataStateNumber {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR" ? DataState.missing : DataState.unreadable;
}

function found(look: PathLook): boolean {
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
