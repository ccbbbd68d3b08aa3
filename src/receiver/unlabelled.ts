/**
 * Warns of senders whose messages are answered and not kept, because their texts have no label (the
 * setting `unlabelled`).
 *
 * Their owner sees `OK` for each and finds nothing on the disk. So there is one line for each
 * address.
 *
 * @module
 */

import { cut } from "../protocol/names.ts";
import type { Report } from "./complaints.ts";

/** Addresses that are warned of; from then on there are no further lines. */
export const WARNED_MAX = 1000;

/** Longest part of a text that is shown, in bytes. */
const SHOWN_BYTES_MAX = 60;

/** The warnings of one hub. */
export class UnlabelledWarnings {
  private readonly warned = new Set<string>();

  constructor(private readonly report: Report) {}

  /**
   * Warns of an address, the first time that a message without a label comes from there. @param
   * text of the message, on one line
   */
  warn(address: string, text: string): void {
    if (this.warned.has(address) || this.warned.size === WARNED_MAX) return;
    this.warned.add(address);
    const shown = cut(text, SHOWN_BYTES_MAX);
    this.report(
      "warn",
      `Messages such as "${shown}" are answered OK and not kept: there is no | in the text. ` +
        `Send "${shown}|jpg" or "${shown}|image", or set unlabelled to store`,
      { from: address },
    );
    if (this.warned.size === WARNED_MAX) {
      this.report(
        "warn",
        `This was said of ${WARNED_MAX} addresses: it is not said of further ones`,
      );
    }
  }
}
