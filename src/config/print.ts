/**
 * Shows settings to people: all of them as YAML, or those that differ from the defaults.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { stringify } from "yaml";
import { getAt } from "./layer.ts";
import type { LoadedSettings } from "./load.ts";
import { ROOT_KEY, SETTINGS } from "./schema.ts";
import { shownValue } from "./secrets.ts";

/** A value on one line, quoted if a YAML 1.1 reader could misread it. */
export function inline(value: unknown): string {
  const options = {
    version: "1.1",
    blockQuote: false,
    collectionStyle: "flow",
    lineWidth: 0,
  } as const;
  return stringify(value, options).replace(/\n$/, "");
}

/**
 * The settings in force, as the text of a settings file that loads to the same settings, except for
 * secrets, which are left out. A value that is not a default has a comment with its origin.
 */
export function formatSettings(loaded: LoadedSettings): string {
  const lines = [`${ROOT_KEY}:`];
  let group: readonly string[] = [];
  for (const setting of SETTINGS) {
    const above = setting.path.slice(0, -1);
    above.forEach((key, depth) => {
      if (key !== group[depth]) lines.push(`${"  ".repeat(depth + 1)}${key}:`);
    });
    group = above;
    const { source, detail } = loaded.origins.get(setting.name) ?? { source: "default" };
    const comment =
      source === "default" ? "" : ` # ${source} ${detail ?? ""}`.replaceAll(/\p{Cc}/gu, "?");
    const indent = "  ".repeat(setting.path.length);
    lines.push(
      `${indent}${setting.path.at(-1)}: ${inline(shownValue(setting, getAt(loaded.settings, setting.path)))}${comment}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** The settings that differ from the defaults, by name, for a log line. */
export function differences(loaded: LoadedSettings): Record<string, unknown> {
  const differing = SETTINGS.map(
    (setting) =>
      [
        setting,
        getAt(loaded.settings, setting.path),
        getAt(loaded.defaults, setting.path),
      ] as const,
  ).filter(([, value, standard]) => !isDeepStrictEqual(value, standard));
  return Object.fromEntries(
    differing.map(([setting, value]) => [setting.name, shownValue(setting, value)]),
  );
}
