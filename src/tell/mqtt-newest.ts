/**
 * Maps that hold a number of entries at most: the one that was set longest ago makes room.
 *
 * @module
 */

/** Sets the newest. @returns the key of the oldest if there are more than `most` */
export function setNewest<T>(
  map: Map<string, T>,
  key: string,
  value: T,
  most: number,
): string | undefined {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  return map.size > most ? oldest : undefined;
}

/** The values in the order of their keys, which stays when one is set again. */
export function sorted<T>(map: ReadonlyMap<string, T>): T[] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}
