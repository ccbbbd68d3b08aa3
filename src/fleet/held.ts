/**
 * What is held in memory of what was asked for.
 *
 * @module
 */

/**
 * Drops the first entries until the others are small enough together. The last one stays.
 *
 * @param entries the one that was asked for last comes last
 */
export function dropFirst<T>(
  entries: Map<string, T>,
  sizeOf: (entry: T) => number,
  sizeMax: number,
): void {
  let size = [...entries.values()].reduce((sum, entry) => sum + sizeOf(entry), 0);
  for (const [key, entry] of entries) {
    if (size <= sizeMax || entries.size === 1) return;
    entries.delete(key);
    size -= sizeOf(entry);
  }
}
