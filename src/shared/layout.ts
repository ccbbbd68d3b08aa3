/**
 * Computes positions in memory that threads share, in integers or in bytes.
 *
 * @module
 */

/** Bytes per cache line. Threads that write to different lines do not slow each other down. */
export const LINE_BYTES = 64;

/** The same in integers. */
export const LINE_INTS = LINE_BYTES / Int32Array.BYTES_PER_ELEMENT;

type KeysOf<T> = T extends unknown ? keyof T & string : never;

/** Positions by name. */
export interface Layout<Name extends string> {
  readonly at: Readonly<Record<Name, number>>;
  /** The length of all: whole lines. */
  readonly length: number;
}

/**
 * Lays out integers or bytes line by line.
 *
 * @param lines for each line its names, with the length of each. Anything larger than a cache line
 *   takes several lines
 * @param lineLength the length of a cache line, in the same unit
 */
export function layOut<const Lines extends readonly Readonly<Record<string, number>>[]>(
  lines: Lines,
  lineLength = LINE_INTS,
): Layout<KeysOf<Lines[number]>> {
  const at: Record<string, number> = {};
  let length = 0;
  for (const line of lines) {
    for (const [name, count] of Object.entries(line)) {
      if (name in at) throw new Error(`Integers are laid out twice: ${name}`);
      at[name] = length;
      length += count;
    }
    length = Math.ceil(length / lineLength) * lineLength;
  }
  return { at, length } as Layout<KeysOf<Lines[number]>>;
}
