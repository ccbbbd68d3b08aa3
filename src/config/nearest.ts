/**
 * Guesses which known name a misspelt one was meant to be.
 *
 * @module
 */

/** Longest name to guess for, in characters; bounds the work. */
const NAME_MAX = 64;

/**
 * Number of edits between two names. One edit adds, drops or changes a letter, or swaps two
 * neighbours.
 */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let edits = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) edits = Math.min(edits, (beforeLast[column - 2] ?? 0) + 1);
      current.push(edits);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}

/**
 * The known name nearest to `name`, ignoring case. `undefined` if each differs in more than a third
 * of its letters. The first one wins a tie.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > NAME_MAX) return undefined;
  let best: string | undefined;
  let bestEdits = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    const editsMax = Math.ceil(Math.max(name.length, candidate.length) / 3);
    if (edits <= editsMax && edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}
