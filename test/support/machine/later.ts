/**
 * A clock that is ahead of the times of files.
 *
 * @module
 */

import { setSystemTime } from "bun:test";

const AHEAD_MS = 60_000;

/** Sets the clock of this process ahead: what was made just now has been there for a while. */
export class Later implements Disposable {
  constructor() {
    setSystemTime(Date.now() + AHEAD_MS);
  }

  [Symbol.dispose](): void {
    setSystemTime();
  }
}
