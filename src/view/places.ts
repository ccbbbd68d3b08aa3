/**
 * The places of some images in their day, in order.
 *
 * @module
 */

/** What a filter leaves of a day. If that is all of a time, nothing is held for it. */
export class Places {
  private constructor(
    readonly length: number,
    private readonly first: number,
    private readonly chosen: Uint32Array | undefined,
  ) {}

  /** All images from a place on until before another. */
  static all(first: number, end: number): Places {
    return new Places(Math.max(0, end - first), first, undefined);
  }

  /** Those of them that are wanted. */
  static some(first: number, end: number, isWanted: (place: number) => boolean): Places {
    const chosen = new Uint32Array(Math.max(0, end - first));
    let length = 0;
    for (let place = first; place < end; place++) if (isWanted(place)) chosen[length++] = place;
    return new Places(length, first, chosen.slice(0, length));
  }

  /** The place of one of them in the day. @param index from 0 */
  at(index: number): number {
    return this.chosen === undefined ? this.first + index : this.chosen[index]!;
  }

  /** Some of them, from an index on. Beyond the end there are none. */
  slice(from: number, count: number): number[] {
    const length = Math.max(0, Math.min(count, this.length - from));
    return Array.from({ length }, (_, index) => this.at(from + index));
  }

  /** How many of them come before a place in the day. */
  before(place: number): number {
    let low = 0;
    for (let high = this.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (this.at(middle) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
