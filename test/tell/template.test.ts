import { describe, expect, test } from "bun:test";
import type { Facts } from "../../src/tell/facts.ts";
import { Template } from "../../src/tell/template.ts";

const FACTS: Facts = {
  type: "health",
  hub: "data1",
  date: "2018-12-30",
  time: "13:45:07",
  message: 'It says "no"\nand \\',
  ok: false,
  image: "Barn #1?.jpg",
  reasons: ["a", 'b"'],
};

describe("Template fills in", () => {
  const table: [what: string, template: string, isJson: boolean, filled: string][] = [
    ["a plain text", "{hub}: {message}", false, 'data1: It says "no"\nand \\'],
    ["nothing at all", "", false, ""],
    ["what is missing with nothing", "[{camera}] {text}", false, "[] "],
    ["a list with semicolons", "{reasons}", false, 'a; b"'],
    ["a part of a URL", "http://h/{image:url}", false, "http://h/Barn%20%231%3F.jpg"],
    ["a value as JSON", "{message:json} {ok:json}", false, '"It says \\"no\\"\\nand \\\\" false'],
    ["without spaces at its end", "{hub} \n\n", false, "data1"],
    ["braces that are no placeholder", "{} {Hub} { hub } {hub", false, "{} {Hub} { hub } {hub"],
    ["Markdown that begins like a list", "[{hub}](http://h)", false, "[data1](http://h)"],
    [
      "JSON, with texts escaped between quotes",
      '{"text": "{hub}: {message}"}',
      true,
      '{"text": "data1: It says \\"no\\"\\nand \\\\"}',
    ],
    [
      "JSON with values of its own",
      '{"ok": {ok:json}, "why": {reasons:json}, "text": {text:json}}',
      true,
      '{"ok": false, "why": ["a","b\\""], "text": null}',
    ],
    ["a list in JSON", '["{hub}"]', true, '["data1"]'],
  ];
  test.each(table)("%s", (_, text, isJson, filled) => {
    const template = Template.parse(text);
    expect([template.isJson, template.fillIn(FACTS)]).toEqual([isJson, filled]);
    if (isJson) JSON.parse(template.fillIn(FACTS));
  });
});

test.each([
  ["{mesage}", "there is no placeholder {mesage}; there is message"],
  [
    "{zzzzzzzzz}",
    "there is no placeholder {zzzzzzzzz}; there is type, hub, date, time, message, camera, text, image, ok, last_seen, reasons, free_bytes, full_in_days, version",
  ],
  ["{hub:xml}", "there is no placeholder {hub:xml}; after the colon, there is json and url"],
])("Template refuses %s", (text, message) => {
  expect(() => Template.parse(text)).toThrow(message);
});

test.each(['{"a": {ok}}', '{"a": "{hub}"', ' {\n "a": "{hub}",}'])(
  "Template refuses what begins like JSON and is none: %s",
  (text) => {
    expect(() => Template.parse(text)).toThrow(
      /^it begins like JSON, but is none \(.+\); a value/u,
    );
  },
);
