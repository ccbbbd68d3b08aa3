/**
 * Keeps a second hub off a data directory, so that no two ever number, name and turn over the same files.
 *
 * The lock is flock(2) on a file in the directory. The kernel lets go of it when the process ends, however that happens, so
 * a crash leaves nothing stuck; what stands in the file tells a person who holds it, and the hub whether it is its own.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { constants, existsSync, fstatSync, open, readFileSync, writeFileSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { promisify } from "node:util";
import { close, lockExclusive, openCreate } from "../libc.ts";

/** The file's name. */
const LOCK_FILE = ".imagehub.lock";

/** Gives a plain descriptor: the file of a FileHandle is closed when nobody has that any more. */
const openSoon = promisify(open);

/** A data directory that another hub writes to. */
export class DataDirectoryInUse extends Error {
  override readonly name = "DataDirectoryInUse";
}

/** How often, and how long in between in milliseconds, the holder's name is read that is still of one that has ended. */
const LOOKS_MAX = 50;
const LOOK_MS = 10;

/** Who holds the lock: in the moment in which it is taken, the name of the holder before still stands in the file. */
function holderIn(path: string): string {
  let text = "";
  for (let look = 0; look < LOOKS_MAX; look++) {
    text = readFileSync(path, "utf8").split("\n")[0]!.trim();
    const pid = /process (\d+) on /.exec(text)?.[1];
    if (pid !== undefined && existsSync(`/proc/${pid}`)) return text;
    Bun.sleepSync(LOOK_MS);
  }
  // On another machine, or hidden from this user.
  return text || "another process";
}

/**
 * The lock of one data directory, from when it is taken until the process ends; no sooner, as threads that wait for a stalled disk
 * may write at any time. While it is held, the kernel gives the numbers of its disk to no other one.
 */
export class DataLock {
  /** What this process writes into the file, and no other one: so it knows a disk again that was away, whatever numbers that has now. */
  readonly text = `imagehub, process ${process.pid} on ${hostname()}\n${randomUUID()}\n`;
  readonly path: string;
  private descriptor: number;
  private identity: string;

  /**
   * Takes it.
   *
   * @throws {DataDirectoryInUse} where another process holds it
   * @throws {SystemError} of `libc.ts`, where the file cannot be made
   */
  constructor(directory: string) {
    this.path = `${directory}/${LOCK_FILE}`;
    this.descriptor = openCreate(this.path);
    if (!lockExclusive(this.descriptor)) {
      close(this.descriptor);
      throw new DataDirectoryInUse(
        `The data directory ${directory} is in use by ${holderIn(this.path)}: stop that, or set another data_directory`,
      );
    }
    this.identity = identityOf(fstatSync(this.descriptor, { bigint: true }));
    try {
      // Through a descriptor of its own: the one that is kept is for reading only, and so keeps no disk from being mounted so.
      writeFileSync(this.path, this.text);
    } catch {
      // A disk that is full: the lock holds all the same, and a hub that is started again has to be there when it heals.
    }
  }

  /** Whether the file at the path is the one that is locked. @throws {Error} of node:fs */
  async isAtPath(): Promise<boolean> {
    try {
      return identityOf(await stat(this.path, { bigint: true })) === this.identity;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return false;
    }
  }

  /** Whether the file at the path holds what this process has written. */
  async isKnown(): Promise<boolean> {
    return (await readFile(this.path, "utf8").catch(() => "")) === this.text;
  }

  /**
   * Takes the lock of the file that is at the path now, made anew where there is none, and lets go of the one before.
   *
   * @returns false where another process holds it
   * @throws {Error} of node:fs
   */
  async takeAgain(): Promise<boolean> {
    const descriptor = await openSoon(this.path, constants.O_RDONLY | constants.O_CREAT, 0o644);
    let isTaken = false;
    try {
      isTaken = lockExclusive(descriptor);
      if (!isTaken) return false;
      this.identity = identityOf(fstatSync(descriptor, { bigint: true }));
    } finally {
      if (!isTaken) close(descriptor);
    }
    close(this.descriptor);
    this.descriptor = descriptor;
    await writeFile(this.path, this.text).catch(() => undefined);
    return true;
  }
}

function identityOf({ dev, ino }: { dev: bigint; ino: bigint }): string {
  return `${dev}:${ino}`;
}
