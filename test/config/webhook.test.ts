import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FatalError } from "../../src/errors.ts";
import { loadSettings } from "../../src/config/load.ts";
import { differences, formatSettings } from "../../src/config/print.ts";
import { shownUrl, withoutSecrets } from "../../src/config/secrets.ts";
import { defaultSettings } from "../../src/config/schema.ts";
import { tempDir } from "../support/machine/temp.ts";

/** The entries of `webhooks` in a settings file. */
function load(webhooks: string) {
  using temp = tempDir();
  const config = join(temp.path, "imagehub.yaml");
  writeFileSync(config, `hub:\n  webhooks:\n${webhooks}`);
  const loaded = loadSettings({ config, env: { HOME: "/home/pi" } });
  const here = (text: string): string => text.replaceAll(temp.path, "DIR");
  return { loaded, here, webhooks: JSON.parse(here(JSON.stringify(loaded.settings.webhooks))) };
}

describe("a webhook's key on, which is true in YAML 1.1, is a word when written", () => {
  test.each([
    ["as a list", "    - url: https://a\n      on: [silent, disk]\n", ["silent", "disk"]],
    ["as a list below", "    - url: https://a\n      on:\n      - silent\n", ["silent"]],
    ["as one word", "    - on: silent\n      url: https://a\n", ["silent"]],
    [
      "as words with commas",
      '    - {on: "silent, disk health", url: "https://a"}\n',
      ["silent", "disk", "health"],
    ],
    ["in quotes", '    - "on": start\n      url: https://a\n', ["start"]],
    ["in a group on one line", "    - {url: https://a, on: [start]}\n", ["start"]],
  ])("%s", (_, text, on) => {
    expect(load(text).webhooks).toEqual([{ url: "https://a", on }]);
  });
});

test("the paths of a webhook start at the settings file or the home directory", () => {
  const { webhooks } = load(
    "    - url_file: u\n      on: start\n      header_file: /h\n      secret_file: ~/s\n      template: t/t.json\n      ca: ../ca\n",
  );
  expect(webhooks).toEqual([
    {
      url_file: "DIR/u",
      on: ["start"],
      header_file: "/h",
      secret_file: "/home/pi/s",
      template: "DIR/t/t.json",
      ca: expect.stringMatching(/^\/\S*\/ca$/u),
    },
  ]);
});

test.each([
  ["https://ntfy.sh/SECRET", "https://ntfy.sh/…"],
  ["https://ntfy.sh:8443/?SECRET", "https://ntfy.sh:8443/…"],
  ["http://user:SECRET@[::1]:80/", "http://[::1]"],
  ["http://host", "http://host"],
  ["SECRET", "…"],
])("shownUrl shows %s as %s", (url, shown) => {
  expect(shownUrl(url)).toBe(shown);
});

test("nothing that prints settings shows the URL of a webhook", () => {
  const { loaded, here } = load("    - {url: https://ntfy.sh/SECRET, on: start, template: t}\n");
  const shown = [{ url: "https://ntfy.sh/…", on: ["start"], template: "DIR/t" }];
  const as = (value: unknown): unknown => JSON.parse(here(JSON.stringify(value)));
  expect(here(formatSettings(loaded))).toContain(
    'webhooks: [ { url: https://ntfy.sh/…, "on": [ start ], template: DIR/t } ] # file',
  );
  expect(as(differences(loaded)["webhooks"])).toEqual(shown);
  expect(as(withoutSecrets(loaded.settings).webhooks)).toEqual(shown);
  expect(loaded.settings.webhooks[0]?.url).toBe("https://ntfy.sh/SECRET");
  expect(withoutSecrets(defaultSettings())).toEqual(defaultSettings());
});

test("a list in the environment is refused without showing it", () => {
  const env = { HOME: "/nowhere", IMAGEHUB_WEBHOOKS: "https://ntfy.sh/SECRET" };
  expect(() => loadSettings({ env })).toThrow(FatalError);
  expect(() => loadSettings({ env })).toThrow(/^IMAGEHUB_WEBHOOKS is wrong, must be a list of/u);
  expect(() => loadSettings({ env })).not.toThrow(/SECRET/u);
});
