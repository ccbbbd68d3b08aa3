/**
 * The examples of docs/WEBHOOKS.md are right.
 *
 * @module
 */

import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT, lacks, PYTHON } from "../../scripts/lib/available.ts";
import { loadSettings } from "../../src/config/load.ts";
import { NEWS } from "../../src/config/webhook.ts";
import { FACT_NAMES, factsOf } from "../../src/tell/facts.ts";
import { content } from "../../src/tell/webhook-request.ts";
import { readWebhookFiles } from "../../src/tell/webhook-files.ts";
import { tempDir } from "../support/machine/temp.ts";

const PAGE = readFileSync(join(CHECKOUT, "docs/WEBHOOKS.md"), "utf8");

/** The blocks of code in a language; each with the name of its file if the text before gives it. */
const blocks = (language: string): { name: string; code: string }[] =>
  [...PAGE.matchAll(/(?:`([\w.]+)`:\n\n)?^```(\w*)\n([^]*?)^```/gmu)]
    .filter(([, , each]) => each === language)
    .map(([, name = "", , code = ""]) => ({ name, code }));

const FACTS = factsOf(
  {
    type: "silent",
    node: "Gate",
    silent: true,
    last_seen: "2026-11-22T14:34:05.123Z",
    awayMs: 1_800_000,
  },
  "data1",
  { date: "2026-11-22", day: 20261122, hour: "15", minute: "04", second: "05" },
);

const named = (): { name: string; code: string }[] =>
  ["", "json"].flatMap(blocks).filter(({ name }) => name !== "");

test("docs/WEBHOOKS.md shows what is sent without a template", () => {
  const shown = blocks("json").find(({ name }) => name === "")?.code ?? "";
  expect(JSON.parse(shown)).toEqual(FACTS);
});

test("docs/WEBHOOKS.md lists all that is told, and all names", () => {
  const rows = PAGE.split("\n").filter((line) => line.startsWith("| `"));
  const cells = rows.map((row) => row.split("|")[1]).join(" ");
  expect(cells.split(/[` ,]+/u)).toEqual(expect.arrayContaining([...NEWS, ...FACT_NAMES]));
});

test("the settings and files of docs/WEBHOOKS.md are right", async () => {
  using temp = tempDir();
  for (const { name, code } of named()) writeFileSync(join(temp.path, name), code);
  writeFileSync(join(temp.path, "slack.url"), "https://hooks.example/x\n");
  const bodies: string[] = [];
  for (const { code } of blocks("yaml")) {
    writeFileSync(join(temp.path, "imagehub.yaml"), code);
    const { webhooks } = loadSettings({ path: temp.path, env: { HOME: temp.path } }).settings;
    for (const webhook of webhooks) {
      const files = await readWebhookFiles(webhook);
      const { body, headers } = content({ files, facts: FACTS, id: "1" });
      bodies.push(`${headers.get("Title") ?? headers.get("Content-Type")} ${body}`);
    }
  }
  expect(bodies.slice(1)).toEqual([
    'application/json { "text": "*data1*: Gate has been silent for 30 min" }',
    "imagehub Gate has been silent for 30 min (data1, 15:04:05)",
    'application/json { "text": "*data1*: Gate has been silent for 30 min" }',
  ]);
  const discord = await readWebhookFiles({
    url: "https://a",
    on: ["start"],
    template: join(temp.path, "discord.json"),
  });
  expect(JSON.parse(content({ files: discord, facts: FACTS, id: "1" }).body)).toEqual({
    username: "data1",
    content: "Gate has been silent for 30 min",
  });
});

test.skipIf(lacks("python"))("the Python of docs/WEBHOOKS.md knows what is genuine", async () => {
  using temp = tempDir();
  const secret = "0123456789abcdef";
  writeFileSync(join(temp.path, "secret"), `${secret}\n`);
  const files = await readWebhookFiles({
    url: "https://a",
    on: ["start"],
    secret_file: join(temp.path, "secret"),
  });
  const { headers, body } = content({ files, facts: { ...FACTS, hub: "Küche" }, id: "1" });
  const sent = {
    "X-Imagehub-Timestamp": headers.get("X-Imagehub-Timestamp"),
    "X-Imagehub-Signature": headers.get("X-Imagehub-Signature"),
  };
  const old = { ...sent, "X-Imagehub-Timestamp": "1700000000" };
  const calls = [
    [secret, sent, body],
    ["another secret !", sent, body],
    [secret, sent, `${body} `],
    [secret, old, body],
  ];
  const program = `import json, sys
${blocks("python")[0]!.code}
for secret, headers, body in json.load(sys.stdin):
    print(is_genuine(secret.encode(), headers, body.encode()))
`;
  const { stdout, stderr } = Bun.spawnSync([PYTHON, "-c", program], {
    stdin: Buffer.from(JSON.stringify(calls)),
  });
  expect(stdout.toString() + stderr.toString()).toBe("True\nFalse\nFalse\nFalse\n");
});
