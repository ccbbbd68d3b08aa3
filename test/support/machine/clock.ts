/**
 * The clock of waits, which can be set ahead.
 *
 * @module
 */

import { spyOn } from "bun:test";

/** Sets it back when it is disposed of. */
export class Clock implements Disposable {
  private aheadMs = 0;
  private readonly spy;

  constructor() {
    const own = performance.now.bind(performance);
    this.spy = spyOn(performance, "now").mockImplementation(() => own() + this.aheadMs);
  }

  goOn(ms: number): void {
    this.aheadMs += ms;
  }

  [Symbol.dispose](): void {
    this.spy.mockRestore();
  }
}
