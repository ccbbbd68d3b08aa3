/**
 * Keeps a second hub off a data directory, so that no two ever number, name and turn over the same
 * files.
 *
 * The lock is flock(2) on a file in the directory. The kernel lets go of it when the process ends,
 * however that happens, so a crash leaves nothing stuck; what stands in the file tells a person who
 * holds it, and the hub whether it is its own.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import {
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { close, lockExclusive, openCreate, PathLook } from "../os/files.ts";
import { Integer, type Shared } from "../shared/memory.ts";
import type { DataDirectory } from "./data-directory.ts";

/** For its owner alone: who can open it can lock it, too, and keep the hub from coming back. */
const MODE = 0o600;

/** A data directory that another hub writes to. */
export class DataDirectoryInUse extends Error {
  override readonly name = "DataDirectoryInUse";
}

/**
 * How often, and how long in between in milliseconds, the holder's name is read that is still of
 * one that has ended.
 */
const LOOKS_MAX = 50;
const LOOK_MS = 10;

/**
 * Who holds the lock: in the moment in which it is taken, the name of the holder before still
 * stands in the file.
 */
function holderIn(path: string): string {
  let text = "";
  for (let look = 0; look < LOOKS_MAX; look++) {
    text = readFileSync(path, "utf8").split("\n")[0]!.trim();
    const named = Number(/process (\d+) on /.exec(text)?.[1]);
    const holder = lockHolder(path);
    if (named === holder || (holder === undefined && existsSync(`/proc/${named}`))) return text;
    // Whoever it is, it is no hub, or not yet.
    if (holder !== undefined && look === LOOKS_MAX - 1)
      return `process ${holder}${nameOf(holder)}, which is not the hub that wrote ${path}`;
    Bun.sleepSync(LOOK_MS);
  }
  // On another machine, or hidden from this user.
  return text || "another process";
}

const hex = (number: number): string => number.toString(16).padStart(2, "0");

/**
 * The process that has a lock on a file, as /proc/locks has it; undefined where that does not tell.
 * See proc_locks(5).
 */
function lockHolder(path: string): number | undefined {
  try {
    const look = new PathLook(path);
    look.look();
    const inode = look.number(2) + look.number(3) * 2 ** 32;
    const file = `${hex(look.number(0))}:${hex(look.number(1))}:${inode}`;
    const line = readFileSync("/proc/locks", "utf8")
      .split("\n")
      .find((each) => each.includes(" FLOCK ") && each.split(/ +/)[5] === file);
    const pid = Number(line?.split(/ +/)[4]);
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Such as ` (flock)`. */
function nameOf(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
  } catch {
    return "";
  }
}

/**
 * The lock of one data directory, from when it is taken until the process ends; no sooner, as
 * threads that wait for a stalled disk may write at any time. While it is held, the kernel gives
 * the numbers of its disk to no other one.
 *
 * Its descriptor stands in shared memory: any thread can look after it.
 */
export class DataLock {
  readonly path: string;
  private readonly integers: Int32Array<SharedArrayBuffer>;

  /**
   * @param text that the file holds: this process writes it, and no other one, so it knows a disk
   * again that was away, whatever numbers that has now
   */
  constructor(
    private readonly directory: DataDirectory,
    { integers }: Pick<Shared, "integers">,
    readonly text = `imagehub, process ${process.pid} on ${hostname()}\n${randomUUID()}\n`,
  ) {
    this.path = directory.lock;
    this.integers = integers;
  }

  private get descriptor(): number {
    return Atomics.load(this.integers, Integer.dataLock) - 1;
  }

  /**
   * Takes it, where this process does not have it.
   *
   * @throws {DataDirectoryInUse} where another process holds it
   * @throws {SystemError} of `os/ffi.ts`, where the file cannot be made
   */
  acquire(): void {
    if (this.reacquire()) return;
    throw new DataDirectoryInUse(
      `The data directory ${this.directory.path} is in use by ${holderIn(this.path)}: stop that, or set another data_directory`,
    );
  }

  /** Whether the file at the path is the one that is locked. @throws {Error} of node:fs */
  isAtPath(): boolean {
    const found = statSync(this.path, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return false;
    const { dev, ino } = fstatSync(this.descriptor, { bigint: true });
    return found.dev === dev && found.ino === ino;
  }

  /** Whether the file at the path holds what this process has written. */
  isKnown(): boolean {
    try {
      return readFileSync(this.path, "utf8") === this.text;
    } catch {
      return false;
    }
  }

  /**
   * Takes the lock of the file that is at the path now, made anew where there is none, and lets go
   * of the one before.
   *
   * @returns false where another process holds it
   * @throws {SystemError} of `os/ffi.ts`, and {Error} of node:fs
   */
  reacquire(): boolean {
    // For reading only: so it keeps no disk from being made read-only.
    const descriptor = openCreate(this.path, MODE);
    const before = this.descriptor;
    let isTaken = false;
    try {
      isTaken = lockExclusive(descriptor);
      if (!isTaken) return false;
    } finally {
      if (!isTaken) close(descriptor);
    }
    Atomics.store(this.integers, Integer.dataLock, descriptor + 1);
    if (before >= 0) close(before);
    try {
      // Earlier versions let others read it. What root makes is for whom the directory belongs to,
      // who may be the next.
      fchmodSync(descriptor, MODE);
      const { uid, gid } = statSync(this.directory.path);
      if (process.getuid?.() === 0) fchownSync(descriptor, uid, gid);
      writeFileSync(this.path, this.text);
    } catch {
      // A disk that is full, or has no permissions: the lock holds all the same, and a hub that is
      // started again has to be there when it heals.
    }
    return true;
  }
}
