/**
 * What a store answers to ListObjectsV2 and with an error.
 *
 * @module
 */

import { childText, decode, type Element, parseXml } from "./xml.ts";

/** An object in a list. */
export interface Listed {
  readonly key: string;
  /** In bytes. */
  readonly size: number;
  /** Without its quotes. */
  readonly etag: string;
}

/** A part of a list, in the order of the keys' bytes. */
export interface Page {
  readonly objects: readonly Listed[];
  /** The beginnings of keys up to the delimiter, each once. */
  readonly prefixes: readonly string[];
}

/** @throws {Error} if this is no such answer */
export function parsePage(text: string): Page & { readonly next: string | undefined } {
  const { objects, rest } = takeObjects(text);
  const root = parseXml(rest);
  if (root.name !== "ListBucketResult") throw new Error(`${root.name} is no list`);
  const named = (name: string): Element[] => root.children.filter((each) => each.name === name);
  const next = childText(root, "NextContinuationToken");
  const isLast = childText(root, "IsTruncated") !== "true";
  if (!isLast && (next === undefined || next === ""))
    throw new Error("The list goes on, but it does not say where");
  return {
    objects: [...objects, ...named("Contents").map(parseListed)],
    prefixes: named("CommonPrefixes").map((each) => required(each, "Prefix")),
    next: isLast ? undefined : next,
  };
}

function parseListed(element: Element): Listed {
  return listed((name) => childText(element, name), required(element, "Key"));
}

function listed(field: (name: string) => string | undefined, key: string): Listed {
  const size = field("Size") ?? "";
  if (!/^\d{1,15}$/.test(size)) throw new Error("The list has a size that is no number");
  return { key, size: Number(size), etag: (field("ETag") ?? "").replaceAll('"', "") };
}

const [BEGIN, END] = ["<Contents>", "</Contents>"] as const;

/**
 * Takes out the objects of a list in their usual form: each has a dozen elements, of which three
 * matter, and there are a thousand. To read all of them as XML takes ten times as long.
 *
 * @returns them, and the XML without them
 */
function takeObjects(text: string): { readonly objects: Listed[]; readonly rest: string } {
  const objects: Listed[] = [];
  const others: string[] = [];
  // In a comment or CDATA, it would be no element.
  if (text.includes("<!")) return { objects, rest: text };
  let at = 0;
  for (;;) {
    const begin = text.indexOf(BEGIN, at);
    const end = text.indexOf(END, begin);
    if (begin < 0 || end < 0) break;
    const content = text.slice(begin + BEGIN.length, end);
    const field = (name: string): string | undefined => plainText(content, name);
    const key = field("Key");
    if (key === undefined || key === "" || content.includes(BEGIN)) break;
    objects.push(listed(field, key));
    others.push(text.slice(at, begin));
    at = end + END.length;
  }
  return { objects, rest: others.join("") + text.slice(at) };
}

/** The text of an element without attributes and without other elements. */
function plainText(content: string, name: string): string | undefined {
  const begin = content.indexOf(`<${name}>`);
  const end = content.indexOf(`</${name}>`, begin);
  if (begin < 0 || end < 0) return undefined;
  const text = content.slice(begin + name.length + 2, end);
  return text.includes("<") ? undefined : decode(text);
}

function required(element: Element, name: string): string {
  const text = childText(element, name);
  if (text === undefined || text === "") throw new Error(`${element.name} has no ${name}`);
  return text;
}

/** What an answer with an error says; nothing if it is not XML of S3. */
export function parseRefusal(text: string): { code?: string; region?: string } {
  try {
    const root = parseXml(text);
    const code = childText(root, "Code");
    if (root.name !== "Error" || code === undefined || !/^[\w.]{1,64}$/.test(code)) return {};
    const region = childText(root, "Region") ?? "";
    return /^[\w-]{1,64}$/.test(region) ? { code, region } : { code };
  } catch {
    return {};
  }
}
