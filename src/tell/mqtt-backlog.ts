/**
 * Events that wait to be published, in their order.
 *
 * @module
 */

/** An event on its way. */
export interface Waiting {
  readonly topic: string;
  readonly payload: string;
}

/** Most events that wait, and most of their characters. Beyond this, the oldest are dropped. */
const EVENTS_MAX = 20_000;
const CHARACTERS_MAX = 16_777_216;

/** A queue with a bound. */
export class Backlog {
  private items: Waiting[] = [];
  /** Where the first one is. */
  private at = 0;
  private characters = 0;

  get length(): number {
    return this.items.length - this.at;
  }

  /** @returns how many were dropped for it */
  add(item: Waiting): number {
    this.items.push(item);
    this.characters += item.payload.length;
    return this.drop();
  }

  take(): Waiting | undefined {
    const item = this.items[this.at];
    if (item === undefined) return undefined;
    this.at++;
    this.characters -= item.payload.length;
    if (this.at > 1000 && this.at * 2 > this.items.length) {
      this.items = this.items.slice(this.at);
      this.at = 0;
    }
    return item;
  }

  private drop(): number {
    let dropped = 0;
    while (this.length > EVENTS_MAX || this.characters > CHARACTERS_MAX) {
      this.take();
      dropped++;
    }
    return dropped;
  }
}
