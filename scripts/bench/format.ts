/**
 * Formats numbers and tables.
 *
 * @module
 */

import type { Spread } from "./statistics.ts";

/** 12,345 */
export function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** 0.87 */
export function decimals(value: number): string {
  return value.toFixed(2);
}

/** 3.4 % */
export function inPercent(value: number): string {
  return `${value.toFixed(value < 1 ? 2 : 1)} %`;
}

/** 1.24 ms */
export function milliseconds(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}

/** 0.87 (0.85–0.91): median, minimum and maximum. Empty if there is none. */
export function withSpread(spread: Spread | undefined, show: (value: number) => string): string {
  if (spread === undefined) return "";
  const { median, min, max } = spread;
  return min === max ? show(median) : `${show(median)} (${show(min)}–${show(max)})`;
}

/** The lines of a Markdown table with aligned columns. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)];
}
