/**
 * What is held in memory of what was asked for, of all hubs together.
 *
 * @module
 */

/** How often is looked whether all of it is small enough, in milliseconds. */
const TRIM_MS = 1000;

/** What hubs have of days. What was asked for last comes last. */
export class Held<T> {
  private readonly entries = new Map<string, { readonly date: string; readonly value: T }>();
  private trimmedMs = Number.NEGATIVE_INFINITY;

  /** @param sizeMax of all of it. What hubs have of the day that was asked for last stays */
  constructor(
    private readonly sizeOf: (value: T) => number,
    private readonly sizeMax: number,
  ) {}

  get(hub: string, date: string): T | undefined {
    return this.entries.get(keyOf(hub, date))?.value;
  }

  /** What a hub has of a day, which is asked for now. @param make it, if it is not held */
  use(hub: string, date: string, make: () => T): T {
    const key = keyOf(hub, date);
    const entry = this.entries.get(key) ?? { date, value: make() };
    this.entries.delete(key);
    this.entries.set(key, entry);
    this.trim(date);
    return entry.value;
  }

  /** Drops it, unless another has taken its place. */
  drop(hub: string, date: string, value: T): void {
    if (this.get(hub, date) === value) this.entries.delete(keyOf(hub, date));
  }

  clear(): void {
    this.entries.clear();
  }

  /** Drops what was asked for first until the others are small enough together. */
  private trim(date: string): void {
    const nowMs = performance.now();
    if (nowMs - this.trimmedMs < TRIM_MS) return;
    this.trimmedMs = nowMs;
    let size = 0;
    for (const { value } of this.entries.values()) size += this.sizeOf(value);
    for (const [key, entry] of this.entries) {
      if (size <= this.sizeMax) return;
      if (entry.date === date) continue;
      this.entries.delete(key);
      size -= this.sizeOf(entry.value);
    }
  }
}

function keyOf(hub: string, date: string): string {
  return `${hub}/${date}`;
}
