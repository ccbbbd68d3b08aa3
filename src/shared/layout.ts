/**
 * Computes the positions of integers in memory that threads share.
 *
 * @module
 */

/** Integers per cache line. Threads that write to different lines do not slow each other down. */
export const LINE_INTS = 16;

type KeysOf<T> = T extends unknown ? keyof T & string : never;

/** The positions of integers, by name. */
export interface Layout<Name extends string> {
  readonly at: Readonly<Record<Name, number>>;
  /** Number of integers in total: whole lines. */
  readonly length: number;
}

/**
 * Lays out integers line by line.
 *
 * @param lines for each line its names, with the number of integers for each. Anything larger than
 * a cache line takes several lines
 */
export function layOut<const Lines extends readonly Readonly<Record<string, number>>[]>(
  lines: Lines,
): Layout<KeysOf<Lines[number]>> {
  const at: Record<string, number> = {};
  let length = 0;
  for (const line of lines) {
    for (const [name, count] of Object.entries(line)) {
      if (name in at) throw new Error(`Integers are laid out twice: ${name}`);
      at[name] = length;
      length += count;
    }
    length = Math.ceil(length / LINE_INTS) * LINE_INTS;
  }
  return { at, length } as Layout<KeysOf<Lines[number]>>;
}
