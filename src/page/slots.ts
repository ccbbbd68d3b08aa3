/**
 * Loads few pictures at a time. So what has scrolled away meanwhile is never loaded,
 * and other questions to the hub find a free connection.
 *
 * @module
 */

const PICTURES_MAX = 4;

const waiting = new Set<() => void>();
let loading = 0;

/**
 * Waits for a turn.
 *
 * @param begin is called when there is one
 * @returns what must be called at the end, or to wait no longer; any number of times
 */
export function takeTurn(begin: () => void): () => void {
  let isRunning = false;
  let isOver = false;
  const start = (): void => {
    isRunning = true;
    loading++;
    begin();
  };
  waiting.add(start);
  // Not at once: what is drawn in one go takes its turns from the top.
  queueMicrotask(next);
  return () => {
    if (isOver) return;
    isOver = true;
    waiting.delete(start);
    if (isRunning) loading--;
    next();
  };
}

function next(): void {
  for (const start of waiting) {
    if (loading >= PICTURES_MAX) return;
    waiting.delete(start);
    start();
  }
}
