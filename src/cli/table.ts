/**
 * Columns as the commands print them.
 *
 * @module
 */

import { escape } from "../log/fields.ts";

/**
 * Aligns rows in columns, two spaces apart. Characters that could control a terminal are escaped.
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
