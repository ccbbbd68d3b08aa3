/**
 * Where integers stand in memory that threads share.
 *
 * @module
 */

/**
 * Integers of one cache line. Threads that write to different lines do not slow each other down.
 */
export const LINE_INTS = 16;

type KeysOf<T> = T extends unknown ? keyof T & string : never;

/** Where integers stand, by their names. */
export interface Layout<Name extends string> {
  readonly at: Readonly<Record<Name, number>>;
  /** How many integers that takes: whole lines. */
  readonly length: number;
}

/**
 * Lays integers out line by line.
 *
 * @param lines for each line its names, with how many integers each takes; what does not fit into
 * one cache line takes several
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
