/**
 * How far long work has come, as a line on the terminal that is written over.
 *
 * @module
 */

import { grouped } from "../log/amounts.ts";

/** How long a person may wait without a word, in milliseconds. */
const AFTER_MS = 1000;

/** Clears the line, so that a shorter text leaves nothing of a longer one. */
const CLEAR = "\r\u001b[K";

/** The progress of one piece of work. Without a terminal it shows nothing. */
export class Progress implements Disposable {
  private readonly startMs = performance.now();
  private isShown = false;

  /** @param what is counted, such as `days read` */
  constructor(private readonly what: string) {}

  /** @param total undefined if it is not known */
  show(done: number, total?: number): void {
    if (!process.stderr.isTTY || performance.now() - this.startMs < AFTER_MS) return;
    this.isShown = true;
    const of = total === undefined ? "" : ` of ${grouped(total)}`;
    process.stderr.write(`${CLEAR}${grouped(done)}${of} ${this.what}`);
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
