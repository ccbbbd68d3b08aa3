/**
 * Keeps what is sent within a bandwidth.
 *
 * @module
 */

/** How much may be sent at once after a pause, in milliseconds of the bandwidth. */
const BURST_MS = 1000;

/** Who sends next waits for the bytes that were sent before. */
export class Pace {
  /** When all that was sent before is through, by {@link now}. */
  private throughMs = 0;

  /**
   * @param bytesPerSecond 0: no limit
   * @param now in milliseconds
   */
  constructor(
    private readonly bytesPerSecond: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Takes the turn of some bytes. @returns how long they must wait, in milliseconds */
  take(bytes: number): number {
    if (this.bytesPerSecond === 0) return 0;
    const now = this.now();
    const startMs = Math.max(this.throughMs, now - BURST_MS);
    this.throughMs = startMs + (bytes / this.bytesPerSecond) * 1000;
    return Math.max(0, startMs - now);
  }
}
