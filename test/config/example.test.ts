import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadSettings } from "../../src/config/load.ts";
import { SETTINGS } from "../../src/config/schema.ts";

const EXAMPLE = join(import.meta.dir, "../../imagehub.yaml");

test("imagehub.yaml sets every setting to its default", () => {
  const { settings, defaults, origins } = loadSettings({ config: EXAMPLE, env: {} });
  expect(settings).toEqual(defaults);
  const unset = SETTINGS.filter(({ name }) => origins.get(name)?.source !== "file");
  expect(unset).toEqual([]);
});

test.each(SETTINGS.map((setting) => [setting.name, setting] as const))(
  "imagehub.yaml describes %s as the schema does",
  (_, { path, description, rule }) => {
    const lines = readFileSync(EXAMPLE, "utf8").split("\n");
    const indent = "  ".repeat(path.length);
    const line = lines.findIndex((each) => each.startsWith(`${indent}${path.at(-1)}:`));
    const start =
      lines.findLastIndex((each, index) => index < line && !each.startsWith(`${indent}#`)) + 1;
    const comment = lines
      .slice(start, line)
      .map((each) => each.replace(`${indent}# `, ""))
      .join(" ");
    expect(comment).toStartWith(`${description}.`);
    expect(comment.toLowerCase()).toContain(rule.toLowerCase());
  },
);
