/**
 * Counts and sizes as a person reads them.
 *
 * @module
 */

import { counted, grouped, size } from "../log/amounts.ts";

export { counted, grouped, size };

/** A count in few characters: `950`, `3.2k`, `200k`. */
export function brief(count: number): string {
  if (count < 1000) return String(count);
  if (count < 9950) return `${(count / 1000).toFixed(1)}k`;
  return count < 999_500 ? `${Math.round(count / 1000)}k` : `${(count / 1e6).toFixed(1)}M`;
}

/** A size in few characters: `390 MB`, `1.9 GB`. */
export function briefSize(bytes: number): string {
  return size(bytes).replace(/\d{2,}\.\d/u, (number) => String(Math.round(Number(number))));
}
