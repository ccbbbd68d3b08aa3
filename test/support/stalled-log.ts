/**
 * A disk that stalls, as far as the event log is concerned.
 *
 * @module
 */

import { closeSync, constants, openSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A named pipe in place of the event log: who appends a line waits for a reader. */
export class StalledLog implements Disposable {
  readonly #log: string;
  #ends: number | undefined;

  /** @param dataDir where the hub has its log by now @throws {Error} where no pipe can be made */
  constructor(dataDir: string) {
    this.#log = join(dataDir, "logs/imagehub.log");
    rmSync(this.#log);
    if (!Bun.spawnSync(["mkfifo", this.#log]).success) throw new Error(`No pipe can be made at ${this.#log}`);
  }

  /** Lets go on who waits; what they have to say is lost. */
  goOn(): void {
    if (this.#ends !== undefined) return;
    // Both ends, so that nobody waits for the other one.
    this.#ends = openSync(this.#log, constants.O_RDWR | constants.O_NONBLOCK);
    rmSync(this.#log);
  }

  [Symbol.dispose](): void {
    this.goOn();
    if (this.#ends !== undefined) closeSync(this.#ends);
    this.#ends = undefined;
  }
}
