/**
 * Turns a flood of the same line into one line a second with a count. It knows no clock and no logger: a thread asks
 * it before it sends a line to the logger, so that a flood never crosses threads.
 *
 * @module
 */

/** Time in which a key has one line, in milliseconds. */
const WINDOW_MS = 1000;
/** Most keys told apart. */
const KEYS_MAX = 256;

interface Entry {
  /** When the last line of this key was let through. */
  sinceMs: number;
  /** What has occurred since then without a line. */
  suppressed: number;
}

/**
 * Lets through one line a second for each key, and counts the others.
 *
 * @example
 * ```ts
 * const count = gate.admit(text, now);
 * if (count > 0) log.error(text, count > 1 ? { times: count } : {});
 * ```
 */
export class FloodGate {
  /** Stands for every key that came while there were too many to tell apart. */
  static readonly OTHERS = "(others)";

  readonly #entries = new Map<string, Entry>();
  readonly #keysMax: number;
  #suppressedKeys = 0;
  #sweptMs = Number.NEGATIVE_INFINITY;

  /** @param keysMax Most keys told apart; those beyond share {@link FloodGate.OTHERS}. Default 256. */
  constructor(keysMax = KEYS_MAX) {
    this.#keysMax = keysMax;
  }

  /** Whether something was counted that no line stands for yet, so that {@link FloodGate.flush} is due within a second. */
  get pending(): boolean {
    return this.#suppressedKeys > 0;
  }

  /**
   * Counts one occurrence of `key`.
   *
   * @param nowMs Milliseconds of any clock. Where it steps back, a new second begins.
   * @returns How many occurrences the line to be logged now stands for, this one included; 0 for no line now.
   */
  admit(key: string, nowMs: number): number {
    const entry = this.#entries.get(key) ?? this.#add(key, nowMs);
    if (!isOver(entry, nowMs)) {
      if (entry.suppressed === 0) this.#suppressedKeys++;
      entry.suppressed++;
      return 0;
    }
    return this.#release(entry, nowMs) + 1;
  }

  /**
   * What was counted without a line and has waited for its second: the keys with their counts, each for one line.
   * To be called about once a second while {@link FloodGate.pending}.
   */
  flush(nowMs: number): [key: string, count: number][] {
    const due: [string, number][] = [];
    for (const [key, entry] of this.#entries) {
      if (isOver(entry, nowMs) && entry.suppressed > 0) due.push([key, this.#release(entry, nowMs)]);
    }
    return due;
  }

  #release(entry: Entry, nowMs: number): number {
    const { suppressed } = entry;
    if (suppressed > 0) this.#suppressedKeys--;
    entry.suppressed = 0;
    entry.sinceMs = nowMs;
    return suppressed;
  }

  get #isFull(): boolean {
    const others = this.#entries.has(FloodGate.OTHERS) ? 1 : 0;
    return this.#entries.size - others >= this.#keysMax;
  }

  #add(key: string, nowMs: number): Entry {
    if (this.#isFull) this.#sweep(nowMs);
    const name = this.#isFull ? FloodGate.OTHERS : key;
    const entry = this.#entries.get(name) ?? { sinceMs: Number.NEGATIVE_INFINITY, suppressed: 0 };
    this.#entries.set(name, entry);
    return entry;
  }

  /** Forgets the keys that have fallen silent; at most once a second, as a flood of new keys asks for it each time. */
  #sweep(nowMs: number): void {
    const sinceSweepMs = nowMs - this.#sweptMs;
    if (sinceSweepMs >= 0 && sinceSweepMs < WINDOW_MS) return;
    this.#sweptMs = nowMs;
    for (const [key, entry] of this.#entries) {
      if (isOver(entry, nowMs) && entry.suppressed === 0) this.#entries.delete(key);
    }
  }
}

function isOver({ sinceMs }: Entry, nowMs: number): boolean {
  return nowMs < sinceMs || nowMs - sinceMs >= WINDOW_MS;
}
