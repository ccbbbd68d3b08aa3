/**
 * How far long work has come, as a line on the terminal that is written over.
 *
 * @module
 */

import { grouped } from "../log/amounts.ts";

/** How long a person may wait without a word, in milliseconds. */
const AFTER_MS = 1000;

/** Shortest time between two changes of the line, in milliseconds. */
const EVERY_MS = 100;

/** How wide the bar is, in characters. */
const BAR_WIDTH = 20;

/** Clears the line, so that a shorter text leaves nothing of a longer one. */
const CLEAR = "\r\u001b[K";

/** The progress of one piece of work. Without a terminal it shows nothing. */
export class Progress implements Disposable {
  private nextMs = performance.now() + AFTER_MS;
  private isShown = false;

  /** @param what is counted, such as `days read` */
  constructor(private readonly what: string) {}

  /**
   * @param total undefined if it is not known
   * @param what is counted now, if that is not always the same
   */
  show(done: number, total?: number, what = this.what): void {
    const now = performance.now();
    if (!process.stderr.isTTY || now < this.nextMs) return;
    this.nextMs = now + EVERY_MS;
    this.isShown = true;
    const count =
      total === undefined
        ? grouped(done)
        : `${bar(done, total)} ${grouped(done)} of ${grouped(total)}`;
    process.stderr.write(`${CLEAR}${count} ${what}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.isShown) process.stderr.write(CLEAR);
    this.isShown = false;
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

/** Such as `[#####               ]`. */
export function bar(done: number, total: number): string {
  const width = total > 0 ? Math.floor((Math.min(done, total) / total) * BAR_WIDTH) : 0;
  return `[${"#".repeat(width)}${" ".repeat(BAR_WIDTH - width)}]`;
}
