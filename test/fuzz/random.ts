/**
 * Random numbers that are the same in each run with the same seed. Also makes and mutates pieces of
 * text and bytes from them.
 *
 * @module
 */

/**
 * Values at which something overflows, ends or changes its sign; as bytes of a length or a type.
 */
const EDGE_BYTES = [0x00, 0x01, 0x02, 0x04, 0x06, 0x7f, 0x80, 0xfe, 0xff] as const;

/** The finaliser of MurmurHash3: spreads each bit over all 32. */
function mix(value: number): number {
  let hash = value >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Mulberry32, a generator with 32 bits of state. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /**
   * The generator of one iteration. It does not depend on earlier ones, so a single iteration can
   * be repeated.
   */
  static at(seed: number, iteration: number): Random {
    return new Random(mix(seed ^ mix(iteration + 1)));
  }

  /** A number from 0 to 2³² - 1. */
  next(): number {
    this.state = (this.state + 0x6d2b_79f5) >>> 0;
    let bits = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (bits ^ (bits >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.next() / 2 ** 32) * bound);
  }

  /** A whole number from `low` to `high`, inclusive. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** A whole number up to `high`. All sizes of numbers are equally likely, small and large. */
  skewed(high: number): number {
    return Math.floor(2 ** ((this.next() / 2 ** 32) * Math.log2(high + 1))) - 1;
  }

  /** True with the given `probability`, from 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new RangeError("There is nothing to pick from");
    return picked;
  }

  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let at = 0; at < words.length; at += 1) words[at] = this.next();
    return Buffer.from(words.buffer, 0, length);
  }

  /** An array of `make()` results. */
  list<T>(length: number, make: () => T): T[] {
    return Array.from({ length }, make);
  }
}

/** Pieces with a meaning in paths, names, lines, JSON, YAML or UTF-16, and some ordinary text. */
const PIECES: readonly string[] = [
  ...Array.from(
    "./\\ -_|~:#'\"{}[],&*!%@`?<>=\0\b\t\n\v\f\r\u001b\u007f\u0080\u0085\u009f\u00a0aZ059ü車📷",
  ),
  ...Array.from("\u2028\u2029\ufeff\u200b\u202e\u3000\ufffd\ufffe\uffff\u212aİßﬁ"),
  "\ud83d",
  "\udcf7",
  "..",
  "../",
  "/../../",
  "...",
  ".incoming-1",
  "%2e%2e%2f",
  "\r\n",
  " ~ ",
  "2021-01-01 00:00:00,000 ~ Safe|Alarm|off",
  "Barn Door",
  "jpg",
  "image",
  "heartbeat",
  "Heartbeat",
  "\\u0000",
  "\\ud800",
  "__proto__",
  "CON",
  "e\u0301",
];

/** A text of pieces. Sometimes one of them is repeated until the text is long. */
export function anyText(random: Random, lengthMax = 70_000): string {
  const pieces = random.list(random.skewed(30), () => random.pick(PIECES));
  if (random.chance(0.15)) {
    const piece = random.pick(PIECES);
    const times = random.skewed(Math.floor(lengthMax / piece.length));
    pieces.splice(random.below(pieces.length + 1), 0, piece.repeat(times));
  }
  return pieces.join("").slice(0, lengthMax);
}

/** The text with a few changes: pieces inserted, removed, doubled or moved. */
export function mutateText(random: Random, text: string): string {
  let mutant = text;
  for (let times = random.between(1, 4); times > 0; times -= 1) {
    const start = random.below(mutant.length + 1);
    const end = Math.min(mutant.length, start + random.skewed(8));
    const [before, within, after] = [
      mutant.slice(0, start),
      mutant.slice(start, end),
      mutant.slice(end),
    ];
    switch (random.below(5)) {
      case 0:
        mutant = before + random.pick(PIECES) + within + after;
        break;
      case 1:
        mutant = before + after;
        break;
      case 2:
        mutant = before + random.pick(PIECES) + after;
        break;
      case 3:
        mutant = before + within.repeat(random.between(2, 5)) + after;
        break;
      default:
        mutant = after + before + within;
    }
  }
  return mutant;
}

/**
 * The bytes with a few changes: bits, edges, lengths; parts removed, inserted, doubled; or cut off.
 */
export function mutateBytes(random: Random, bytes: Uint8Array): Buffer {
  let mutant = Buffer.from(bytes);
  for (let times = random.between(1, 5); times > 0; times -= 1) mutant = mutateOnce(random, mutant);
  return mutant;
}

function mutateOnce(random: Random, bytes: Buffer): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + random.skewed(16));
  const [before, within, after] = [
    bytes.subarray(0, at),
    bytes.subarray(at, end),
    bytes.subarray(end),
  ];
  switch (random.below(7)) {
    case 0: {
      const changed = Buffer.from(bytes);
      if (at < changed.length) changed[at] = changed[at]! ^ (1 << random.below(8));
      return changed;
    }
    case 1: {
      const changed = Buffer.from(bytes);
      if (at < changed.length) changed[at] = random.pick(EDGE_BYTES);
      return changed;
    }
    case 2:
      return Buffer.concat([before, after]);
    case 3:
      return Buffer.concat([before, random.bytes(random.skewed(64)), within, after]);
    case 4:
      return Buffer.concat([before, within, within, after]);
    case 5:
      return Buffer.concat([before, Buffer.alloc(within.length, random.pick(EDGE_BYTES)), after]);
    default:
      return Buffer.from(before);
  }
}
