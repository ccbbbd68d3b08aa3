/**
 * What can be known from how connections to a broker have ended: that it does not take images of
 * some size, or that another hub takes its place.
 *
 * MQTT 3.1.1 knows no reason for the end of a connection.
 *
 * @module
 */

/** Connections that last for so long are no matter for the next ones, in milliseconds. */
const STEADY_MS = 300_000;

/** After so many short connections in a row, another hub may be the reason. */
const SHORT_MAX = 3;

/** Why a connection has ended, or was not made. */
export interface Break {
  readonly reason: string;
  /** Whether the broker has ended a connection that was there. */
  readonly isByBroker: boolean;
}

/** The ends of one broker's connections. */
export class Breaks {
  private sinceMs: number | undefined;
  private short = 0;
  private imageBytes: number | undefined;
  /** The smallest image at which a connection ended, if none of its size was confirmed since. */
  private suspectBytes = Infinity;
  private limitBytes = Infinity;

  /** @param nowMs of a clock that nobody sets, here and below */
  connected(nowMs: number): void {
    this.sinceMs = nowMs;
  }

  /** An image is on its way. */
  imageSent(bytes: number): void {
    this.imageBytes = bytes;
  }

  /** The broker has confirmed it. */
  imageConfirmed(): void {
    if (this.imageBytes !== undefined && this.imageBytes >= this.suspectBytes)
      this.suspectBytes = Infinity;
    this.imageBytes = undefined;
  }

  /** Whether the broker has ended two connections at images of this size or less. */
  isTooLarge(bytes: number): boolean {
    return bytes >= this.limitBytes;
  }

  /**
   * Takes in an end.
   *
   * @returns what to say of it, and whether it is new after a long connection
   */
  ended({ reason, isByBroker }: Break, nowMs: number): { reason: string; isNew: boolean } {
    const { sinceMs, imageBytes } = this;
    this.sinceMs = undefined;
    this.imageBytes = undefined;
    if (sinceMs === undefined) return { reason, isNew: false };
    const isNew = nowMs - sinceMs >= STEADY_MS;
    if (isNew || !isByBroker) this.short = 0;
    else this.short++;
    if (isByBroker && imageBytes !== undefined) {
      // Once may be by chance.
      const twiceBytes = Math.max(imageBytes, this.suspectBytes);
      this.limitBytes = Math.min(this.limitBytes, twiceBytes);
      this.suspectBytes = Math.min(this.suspectBytes, imageBytes);
    }
    return {
      reason:
        this.short < SHORT_MAX
          ? reason
          : `${reason} again and again: perhaps another hub has the same mqtt.topic`,
      isNew,
    };
  }
}
