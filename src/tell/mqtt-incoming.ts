/**
 * Ends a connection on which a large message comes, before it is in memory. What the hub hears is
 * small.
 *
 * @module
 */

import type { Duplex } from "node:stream";

/** Largest message that is heard, in bytes without the first ones that tell its length. */
export const INCOMING_BYTES_MAX = 65_536;

/** Where a stream of packets is. Each begins with a byte of its type and some of its length. */
export class Incoming {
  /** Bytes of this packet that are to come. */
  private left = 0;
  private length = 0;
  /** How much one more byte of a length counts; undefined before the byte of the type. */
  private factor: number | undefined;

  /** @returns whether a packet begins in these bytes that is too large */
  takes(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length;) {
      if (this.left > 0) {
        const taken = Math.min(this.left, bytes.length - at);
        this.left -= taken;
        at += taken;
        continue;
      }
      const byte = bytes[at++] ?? 0;
      if (this.factor === undefined) {
        this.factor = 1;
        this.length = 0;
        continue;
      }
      this.length += (byte & 0x7f) * this.factor;
      if (this.length > INCOMING_BYTES_MAX) return true;
      this.factor = byte < 0x80 ? undefined : this.factor * 0x80;
      if (byte < 0x80) this.left = this.length;
    }
    return false;
  }
}

/** Watches what comes on a connection. @param found called with the reason when it is ended */
export function refuseLarge(
  stream: Pick<Duplex, "on" | "destroy">,
  found: (reason: Error) => void,
): void {
  const incoming = new Incoming();
  stream.on("data", (bytes: Uint8Array) => {
    if (!incoming.takes(bytes)) return;
    found(new Error(`A message of more than ${INCOMING_BYTES_MAX} bytes came from the broker`));
    stream.destroy();
  });
}
