/**
 * Warns about senders whose messages are answered but not stored, because their texts have no label
 * (setting `unlabelled`).
 *
 * Their owner sees `OK` for each message, and finds nothing on the disk. So there is one line per
 * address.
 *
 * @module
 */

import { cut } from "../protocol/names.ts";
import type { Report } from "./complaints.ts";

/** Maximum addresses to warn about. After that, there are no further lines. */
export const WARNED_MAX = 1000;

/** Longest part of a text to show, in bytes. */
const SHOWN_BYTES_MAX = 60;

/** The warnings of one hub. */
export class UnlabelledWarnings {
  private readonly warned = new Set<string>();

  constructor(private readonly report: Report) {}

  /**
   * Warns about an address at its first message without a label. @param text of the message, on one
   * line
   */
  warn(address: string, text: string): void {
    if (this.warned.has(address) || this.warned.size === WARNED_MAX) return;
    this.warned.add(address);
    const shown = cut(text, SHOWN_BYTES_MAX);
    this.report(
      "warn",
      `Messages such as "${shown}" are answered OK but not stored: there is no | in the text. ` +
        `Send "${shown}|jpg" or "${shown}|image", or set unlabelled to store`,
      { from: address },
    );
    if (this.warned.size === WARNED_MAX) {
      this.report(
        "warn",
        `${WARNED_MAX} addresses were warned about: there are no warnings for more`,
      );
    }
  }
}
