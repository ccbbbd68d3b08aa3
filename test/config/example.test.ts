import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadSettings } from "../../src/config/load.ts";
import { SETTINGS } from "../../src/config/schema.ts";
import { tempDir } from "../support/machine/temp.ts";

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
    const line = path.reduce(
      (above, key, depth) =>
        lines.findIndex(
          (each, index) => index > above && each.startsWith(`${"  ".repeat(depth + 1)}${key}:`),
        ),
      -1,
    );
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

/** The examples in the comments at its end, as settings files. */
const KEEP_EXAMPLES = readFileSync(EXAMPLE, "utf8")
  .split(/^(?=# hub:$)/m)
  .slice(1)
  .map((text) =>
    text
      .split("\n")
      .filter((line, index) => index === 0 || line.startsWith("#   "))
      .map((line) => line.slice(2))
      .join("\n"),
  );

test.each([
  [
    "a small SD card",
    0,
    {
      keep: { days: 14, event_days: 365, min_free: "10 %", min_days: 3 },
      archive: { directory: "" },
    },
  ],
  [
    "an NVMe disk with a NAS",
    1,
    {
      keep: {
        days: 0,
        min_free: "5 %",
        cameras: [{ match: "Yard*", max_bytes: "200 GB" }],
      },
      archive: { directory: "/mnt/nas/imagehub", after_days: 1, format: "tree", required: true },
    },
  ],
  ["keeping everything", 2, { keep: { days: 0, event_days: 0, max_bytes: 0, min_free: 0 } }],
] as const)(
  "imagehub.yaml has an example for %s that can be used as it is",
  (_, place, expected) => {
    expect(KEEP_EXAMPLES).toHaveLength(3);
    using temp = tempDir();
    const config = join(temp.path, "imagehub.yaml");
    writeFileSync(config, KEEP_EXAMPLES[place]!);
    const { settings, notes } = loadSettings({ config, env: {} });
    expect(settings).toMatchObject(expected);
    expect(notes).toEqual([]);
  },
);
