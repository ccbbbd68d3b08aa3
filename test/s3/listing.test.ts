import { describe, expect, test } from "bun:test";
import { parsePage, parseRefusal } from "../../src/s3/listing.ts";

const HEAD = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">';

test("parsePage reads objects, prefixes and where the list goes on", () => {
  const object =
    "<Contents><Key>a/b&amp;c.jpg</Key><ETag>&quot;0a1b&quot;</ETag><Size>123</Size><Owner><ID>x</ID></Owner></Contents>";
  const prefixes = "<CommonPrefixes><Prefix>a/d/</Prefix></CommonPrefixes>";
  const next = "<NextContinuationToken>1/+=</NextContinuationToken>";
  expect(
    parsePage(
      `${HEAD}<Prefix>a/</Prefix>${object}${prefixes}<IsTruncated>true</IsTruncated>${next}</ListBucketResult>`,
    ),
  ).toEqual({
    objects: [{ key: "a/b&c.jpg", size: 123, etag: "0a1b" }],
    prefixes: ["a/d/"],
    next: "1/+=",
  });
  expect(parsePage(`${HEAD}<IsTruncated>false</IsTruncated>${next}</ListBucketResult>`)).toEqual({
    objects: [],
    prefixes: [],
    next: undefined,
  });
});

const object = (key: string): string => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`;

const keysOf = (inner: string): string[] =>
  parsePage(`${HEAD}${inner}</ListBucketResult>`).objects.map(({ key }) => key);

test("parsePage reads objects in their order, also in a form that is not the usual one", () => {
  const odd = "<Contents ><Size>2</Size><Key><![CDATA[<b>]]></Key></Contents>";
  const comment = `<!-- ${object("none")} -->`;
  expect(keysOf(`${object("a")}${object("&lt;Contents&gt;")}${object("c")}`)).toEqual([
    "a",
    "<Contents>",
    "c",
  ]);
  expect(keysOf(`${object("a")}${odd}${object("c")}`)).toEqual(["a", "<b>", "c"]);
  expect(keysOf(`${object("a")}${comment}${object("c")}`)).toEqual(["a", "c"]);
  const attribute = '<Contents><Key x="1">b</Key><Size>1</Size></Contents>';
  expect(keysOf(`${object("a")}${attribute}${object("c")}`)).toEqual(["a", "b", "c"]);
});

describe("parsePage refuses", () => {
  test.each([
    ["another answer", "<Error><Code>X</Code></Error>"],
    ["half a list", `${HEAD}<Contents><Key>a</Key>`],
    ["an object without a size", `${HEAD}<Contents><Key>a</Key></Contents></ListBucketResult>`],
    ["one without a key", `${HEAD}<Contents><Size>1</Size></Contents></ListBucketResult>`],
    [
      "a size that is none",
      `${HEAD}<Contents><Key>a</Key><Size>1e3</Size></Contents></ListBucketResult>`,
    ],
    ["a list that goes on nowhere", `${HEAD}<IsTruncated>true</IsTruncated></ListBucketResult>`],
  ])("%s", (_, text) => expect(() => parsePage(text)).toThrow());
});

const error = (inner: string) => parseRefusal(`<Error>${inner}</Error>`);

test("parseRefusal reads the code and the region, and nothing that is not one", () => {
  expect(error("<Code>NoSuchKey</Code>")).toEqual({ code: "NoSuchKey" });
  expect(error("<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>")).toEqual({
    code: "AuthorizationHeaderMalformed",
    region: "eu-west-1",
  });
  expect(error("<Code>a b</Code>")).toEqual({});
  expect(error("<Code>A</Code><Region>&#27;[2J</Region>")).toEqual({ code: "A" });
  expect(parseRefusal("<html><Code>A</Code></html>")).toEqual({});
  expect(parseRefusal("Forbidden")).toEqual({});
});
