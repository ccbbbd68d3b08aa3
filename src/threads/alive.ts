/**
 * A thread that works long says now and then that it is alive.
 *
 * @module
 */

/** How often, in milliseconds. */
const ALIVE_MS = 10_000;

/** @returns may be called at any rate, and calls `tell` every ten seconds at most */
export function aliveTeller(tell: () => void): () => void {
  let toldMs = performance.now();
  return () => {
    if (performance.now() - toldMs < ALIVE_MS) return;
    toldMs = performance.now();
    tell();
  };
}
