/**
 * What a store answers to ListObjectsV2 and with an error.
 *
 * @module
 */

import { childText, type Element, parseXml } from "./xml.ts";

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
  const root = parseXml(text);
  if (root.name !== "ListBucketResult") throw new Error(`${root.name} is no list`);
  const named = (name: string): Element[] => root.children.filter((each) => each.name === name);
  const next = childText(root, "NextContinuationToken");
  const isLast = childText(root, "IsTruncated") !== "true";
  if (!isLast && (next === undefined || next === ""))
    throw new Error("The list goes on, but it does not say where");
  return {
    objects: named("Contents").map(parseListed),
    prefixes: named("CommonPrefixes").map((each) => required(each, "Prefix")),
    next: isLast ? undefined : next,
  };
}

function parseListed(element: Element): Listed {
  const size = required(element, "Size");
  if (!/^\d{1,15}$/.test(size)) throw new Error("The list has a size that is no number");
  const etag = (childText(element, "ETag") ?? "").replaceAll('"', "");
  return { key: required(element, "Key"), size: Number(size), etag };
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
