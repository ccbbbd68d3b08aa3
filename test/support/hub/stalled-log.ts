/**
 * A disk that stalls, but only for the event log.
 *
 * @module
 */

import { dlopen, FFIType } from "bun:ffi";
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";

/** For fcntl(2), the same on x86-64 and AArch64. */
const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_RDLCK = 0;

/**
 * The kernel sends the process SIGIO when somebody waits, which would end it. If nobody handles
 * this signal, it is ignored.
 */
const SIGURG = 23;

const libc = dlopen("libc.so.6", {
  fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.u64], returns: FFIType.i32 },
});

/**
 * A lease on the event log. Whoever opens the log to write waits until the lease is given up. The
 * kernel takes it away after a while (`/proc/sys/fs/lease-break-time`, 45 s).
 */
export class StalledLog implements Disposable {
  #fd: number | undefined;

  /**
   * @param dataDir the hub's data directory, which already has a log
   * @throws {Error} if the file system has no leases, or others have the log open
   */
  constructor(dataDir: string) {
    const path = join(dataDir, "logs/imagehub.log");
    this.#fd = openSync(path, constants.O_RDONLY);
    const { fcntl } = libc.symbols;
    // A line is just being written.
    for (let tried = 0; tried < 100; tried++) {
      if (fcntl(this.#fd, F_SETSIG, SIGURG) >= 0 && fcntl(this.#fd, F_SETLEASE, F_RDLCK) >= 0)
        return;
      Bun.sleepSync(10);
    }
    this.goOn();
    throw new Error(`No lease can be had on ${path}`);
  }

  /** Lets those who wait continue. */
  goOn(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  [Symbol.dispose](): void {
    this.goOn();
  }
}
