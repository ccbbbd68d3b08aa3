/**
 * Time zones for tests.
 *
 * @module
 */

const DAY_S = 86_400;

/** A POSIX time zone in which it is `seconds` before midnight, and how far it is behind UTC. */
export function zoneBeforeMidnight(seconds: number): { zone: string; behindS: number } {
  const behindS = (Math.floor(Date.now() / 1000) + seconds) % DAY_S;
  const parts = [Math.floor(behindS / 3600), Math.floor(behindS / 60) % 60, behindS % 60];
  return { zone: `TST${parts.map((part) => String(part).padStart(2, "0")).join(":")}`, behindS };
}
