/**
 * Counts, sizes and durations as a person reads them.
 *
 * @module
 */

/** A count with its thousands apart: `12,345`. */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** A count of things: `1 day`, `12,345 days`. */
export function counted(count: number, thing: string): string {
  return `${grouped(count)} ${thing}${count === 1 ? "" : "s"}`;
}

/** How many of a list are shown to a person, unless more fit. */
const SHOWN_MAX = 5;

/** The first ones of a list for a person, and how many more there are. */
export function firstOf(lines: readonly string[], most = SHOWN_MAX): string[] {
  const more = lines.length - most;
  return more > 0 ? [...lines.slice(0, most), `and ${grouped(more)} more like these`] : [...lines];
}

/**
 * Bytes in the largest unit that leaves a number of 1 or more; a unit is 1000 of the one before.
 */
export function size(bytes: number): string {
  const names = ["bytes", "kB", "MB", "GB", "TB"];
  let [count, power] = [bytes, 0];
  // From 999.95 on it would be shown as 1000.0.
  while (count >= 999.95 && power < names.length - 1) [count, power] = [count / 1000, power + 1];
  return `${power === 0 ? bytes : count.toFixed(1)} ${names[power]}`;
}

const UNITS = [
  ["days", 86_400],
  ["h", 3600],
  ["min", 60],
] as const;

/**
 * A duration in its largest unit, and in the next one if that matters: `3 days 4 h`, `12 min`, `7
 * s`.
 */
export function duration(seconds: number): string {
  const at = UNITS.findIndex(([, length]) => seconds >= length);
  if (at < 0) return `${seconds} s`;
  const [unit, length] = UNITS[at]!;
  const count = Math.floor(seconds / length);
  const [below, belowLength] = UNITS[at + 1] ?? ["s", 1];
  const rest = Math.floor((seconds % length) / belowLength);
  const text = `${count} ${count === 1 && unit === "days" ? "day" : unit}`;
  return rest > 0 && count < 10 ? `${text} ${rest} ${below}` : text;
}
