import { describe, expect, test } from "bun:test";
import { childText, parseXml } from "../../src/s3/xml.ts";

test("parseXml reads elements, text and references, and skips the rest", () => {
  const root = parseXml(
    `\uFEFF<?xml version="1.0"?>\n<!-- <a> -->\n<List xmlns="http://s3.example/" x = '>'>\n` +
      "<Key>a&amp;b&lt;&gt;&quot;&apos;&#233;&#xE9;&#x1F600;&#x01;</Key><Empty/><Empty2 />" +
      "<Raw>1<![CDATA[<&amp;]]>2</Raw><In><Key>deep</Key></In></List>\n",
  );
  expect(root.name).toBe("List");
  expect(childText(root, "Key")).toBe("a&b<>\"'éé\u{1F600}\u0001");
  expect(childText(root, "Empty")).toBe("");
  expect(childText(root, "Empty2")).toBe("");
  expect(childText(root, "Raw")).toBe("1<&amp;2");
  expect(childText(root, "deep")).toBeUndefined();
  expect(childText(root.children.at(-1)!, "Key")).toBe("deep");
});

describe("parseXml refuses", () => {
  test.each([
    ["nothing", ""],
    ["text", "hello"],
    ["two elements", "<a/><b/>"],
    ["text beside the element", "<a/>b"],
    ["what is cut", "<a><b>text"],
    ["what is cut in a tag", "<a><b>text</"],
    ["what is cut in a comment", "<a><!-- b</a>"],
    ["another end", "<a></b>"],
    ["an end without a beginning", "</a>"],
    ["a DTD", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ["an entity of a DTD", "<a>&b;</a>"],
    ["a lone &", "<a>b & c</a>"],
    ["a reference without an end", "<a>&amp</a>"],
    ["a character that is none", "<a>&#x110000;</a>"],
    ["HTML", "<!doctype html><html><br></html>"],
    ["a nest", "<a>".repeat(20) + "</a>".repeat(20)],
  ])("%s", (_, text) => expect(() => parseXml(text)).toThrow());
});
