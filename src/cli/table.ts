/**
 * Numbers and columns as the commands print them.
 *
 * @module
 */

import { escape } from "../log/fields.ts";

/**
 * Rows with their columns under each other, two spaces apart. What could drive a terminal is shown
 * as an escape.
 */
export function table(texts: readonly (readonly string[])[]): string[] {
  const rows = texts.map((row) => row.map((cell) => escape(cell)));
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => Bun.stringWidth(row[column] ?? ""))),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell + " ".repeat(widths[column]! - Bun.stringWidth(cell)))
      .join("  ")
      .trimEnd(),
  );
}

/** A count with its thousands apart: `12,345`. */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** Bytes in the largest unit of 1000 that leaves a whole number before the point. */
export function size(bytes: number): string {
  const names = ["bytes", "kB", "MB", "GB", "TB"];
  const power = Math.min(
    names.length - 1,
    Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)),
  );
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${names[power]}`;
}
