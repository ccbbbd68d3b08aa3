/**
 * A clock that a test sets for a program: the C library reports a time that is a number of seconds
 * off (`clock-offset.c`).
 *
 * @module
 */

import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "./temp.ts";

const SOURCE = join(import.meta.dir, "clock-offset.c");

/** A clock for programs started with {@link SetClock.env}. */
export class SetClock implements Disposable {
  readonly #dir = tempDir();
  readonly #file = join(this.#dir.path, "offset");
  /** Variables to add to a program's environment. */
  readonly env: Readonly<Record<string, string>>;

  /**
   * @param seconds how far it is ahead of the machine's clock; negative: behind
   * @throws {Error} if there is no compiler
   */
  constructor(seconds: number) {
    const library = join(this.#dir.path, "clock-offset.so");
    const { success, stderr } = Bun.spawnSync([
      "gcc",
      "-shared",
      "-fPIC",
      "-O2",
      "-o",
      library,
      SOURCE,
    ]);
    if (!success) throw new Error(`gcc: ${stderr.toString()}`);
    writeFileSync(this.#file, Buffer.alloc(8));
    this.set(seconds);
    this.env = { LD_PRELOAD: library, CLOCK_OFFSET: this.#file };
  }

  /** Sets it, even while programs run. */
  set(seconds: number): void {
    const value = Buffer.alloc(8);
    value.writeBigInt64LE(BigInt(Math.round(seconds)));
    // In place, because programs have mapped the file.
    const fd = openSync(this.#file, "r+");
    try {
      writeSync(fd, value, 0, value.byteLength, 0);
    } finally {
      closeSync(fd);
    }
  }

  /** Sets it to a moment. @param iso in UTC, such as `1970-01-01T00:00:10` */
  setTo(iso: string): void {
    this.set((Date.parse(`${iso}Z`) - Date.now()) / 1000);
  }

  [Symbol.dispose](): void {
    this.#dir[Symbol.dispose]();
  }
}
