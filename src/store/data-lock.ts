/**
 * Keeps a second hub off a data directory: no two hubs may count, name and rotate the same files.
 *
 * The lock is flock(2) on a file in the directory. The kernel releases it when the process ends for
 * any reason, so a crash leaves nothing locked. The content of the file tells a person who holds
 * the lock, and the hub whether the lock is its own.
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
import { close, openCreate, openLocked, PathLook } from "../os/files.ts";
import { Integer, type Shared } from "../shared/memory.ts";
import type { DataDirectory } from "./data-directory.ts";

/**
 * Only for its owner: anyone who can open the file can also lock it, and keep the hub from starting
 * again.
 */
const MODE = 0o600;

/** Another hub uses the data directory. */
export class DataDirectoryInUse extends Error {
  override readonly name = "DataDirectoryInUse";
}

/**
 * How often to reread the holder's name while it is that of a process that has ended, and the pause
 * between, in milliseconds.
 */
const LOOKS_MAX = 50;
const LOOK_MS = 10;

/**
 * Who holds the lock. At the moment when it is taken, the file still contains the name of the
 * previous holder.
 */
function holderIn(path: string): string {
  let text = "";
  for (let look = 0; look < LOOKS_MAX; look++) {
    text = readFileSync(path, "utf8").split("\n")[0]!.trim();
    const named = Number(/process (\d+) on /.exec(text)?.[1]);
    const holder = lockHolder(path);
    if (named === holder || (holder === undefined && existsSync(`/proc/${named}`))) return text;
    // The holder is not a hub, or not yet.
    if (holder !== undefined && look === LOOKS_MAX - 1)
      return `process ${holder}${nameOf(holder)}, which is not the hub that wrote ${path}`;
    Bun.sleepSync(LOOK_MS);
  }
  // On another machine, or hidden from this user.
  return text || "another process";
}

const hex = (number: number): string => number.toString(16).padStart(2, "0");

/**
 * The process that holds a lock on a file, from /proc/locks; undefined if not listed there. See
 * proc_locks(5).
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
 * Does something quick while no hub uses a data directory, and none can start.
 *
 * @returns undefined if a hub uses it; then it is not done
 * @throws {SystemError} if the file of the lock cannot be made
 */
export function withoutHub<T>({ lock }: DataDirectory, action: () => T): T | undefined {
  const descriptor = openLocked((access) => openCreate(lock, MODE, access));
  if (descriptor === undefined) return undefined;
  try {
    return action();
  } finally {
    close(descriptor);
  }
}

/**
 * The lock of one data directory. It is held until the process ends and never released earlier,
 * because threads that wait for a stalled disk may write at any time. While it is held, the kernel
 * does not reuse its disk's numbers.
 *
 * Its descriptor is in shared memory, so any thread can check it.
 */
export class DataLock {
  readonly path: string;
  private readonly integers: Int32Array<SharedArrayBuffer>;

  /**
   * @param text the content of the file. Only this process writes it, so it recognizes a disk that
   * comes back, even with other numbers
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
   * Takes the lock unless this process already has it.
   *
   * @throws {DataDirectoryInUse} if another process holds it
   * @throws {SystemError} of `os/ffi.ts`, if the file cannot be made
   */
  acquire(): void {
    if (this.reacquire()) return;
    throw new DataDirectoryInUse(
      `The data directory ${this.directory.path} is in use by ${holderIn(this.path)}: stop it, or set another data_directory`,
    );
  }

  /** Whether the file at the path is the locked one. @throws {Error} of node:fs */
  isAtPath(): boolean {
    const found = statSync(this.path, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return false;
    const { dev, ino } = fstatSync(this.descriptor, { bigint: true });
    return found.dev === dev && found.ino === ino;
  }

  /** Whether the file at the path contains what this process has written. */
  isKnown(): boolean {
    try {
      return readFileSync(this.path, "utf8") === this.text;
    } catch {
      return false;
    }
  }

  /**
   * Locks the file that is at the path now, making it if missing, and releases the previous one.
   *
   * @returns false if another process holds the lock
   * @throws {SystemError} of `os/ffi.ts`, and {Error} of node:fs
   */
  reacquire(): boolean {
    const descriptor = openLocked((access) => openCreate(this.path, MODE, access));
    if (descriptor === undefined) return false;
    const before = this.descriptor;
    Atomics.store(this.integers, Integer.dataLock, descriptor + 1);
    if (before >= 0) close(before);
    try {
      // Earlier versions let others read it. If root makes it, it belongs to the directory's owner,
      // who may run the hub next.
      fchmodSync(descriptor, MODE);
      const { uid, gid } = statSync(this.directory.path);
      if (process.getuid?.() === 0) fchownSync(descriptor, uid, gid);
      writeFileSync(this.path, this.text);
    } catch {
      // The disk is full or has no permissions. The lock holds anyway, and a restarted hub must be
      // there when the disk recovers.
    }
    return true;
  }
}
