/**
 * Parses the request line and the headers of HTTP/1.1. It is strict: anything ambiguous is refused.
 *
 * @see RFC 9112
 *
 * @module
 */

import { type Answer, type HttpRequest, plain } from "./answer.ts";

/** Longest request line plus headers, in bytes. Browsers send less than 2,000, without cookies. */
export const HEAD_BYTES_MAX = 8192;

/** Longest path plus query, in characters. Names of cameras are in it, with three for each byte. */
const TARGET_CHARS_MAX = 4096;

/** Longest body of a POST, in bytes: the names of some 1,000 images. */
const BODY_BYTES_MAX = 65_536;

const REQUEST_LINE = /^([!#$%&'*+.^_`|~\w-]+) (\S+) HTTP\/1\.([01])$/;
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;

/** Headers that may appear only once: two of them would make two requests of one. */
const ONCE: ReadonlySet<string> = new Set(["host", "content-length"]);

/** A request whose body is still to come. */
export interface RequestHead {
  readonly request: Omit<HttpRequest, "body" | "peer" | "gone">;
  /** In bytes. */
  readonly bodyLength: number;
}

/**
 * @param head everything before the empty line, as Latin-1
 * @returns the request without its body, or the answer to bad input
 */
export function readHead(head: string): RequestHead | Answer {
  const [first = "", ...lines] = head.split("\r\n");
  const [, method, target, minor] = REQUEST_LINE.exec(first) ?? [];
  if (method === undefined || target === undefined)
    return plain(400, "This is not an HTTP/1.1 request");
  const headers = readHeaders(lines);
  if (headers === undefined) return plain(400, "The headers are malformed");
  const knowsChunks = minor === "1";
  if (knowsChunks && !headers.has("host")) return plain(400, "The Host header is missing");
  const length = headers.get("content-length") ?? "0";
  const bodyLength = /^\d{1,9}$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY;
  if (headers.has("transfer-encoding") || (bodyLength > 0 && method !== "POST"))
    return plain(413, "Only a POST may have a body, with a Content-Length");
  if (bodyLength > BODY_BYTES_MAX)
    return plain(413, `The body is longer than ${BODY_BYTES_MAX} bytes`);
  if (target.length > TARGET_CHARS_MAX)
    return plain(414, `The address is longer than ${TARGET_CHARS_MAX} characters`);
  if (!target.startsWith("/")) return plain(400, "The address must begin with /");
  const isLast =
    !knowsChunks || /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(headers.get("connection") ?? "");
  const [path, query] = splitAt(target, "?");
  return {
    request: { method, path, query: new URLSearchParams(query), headers, isLast, knowsChunks },
    bodyLength,
  };
}

function splitAt(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** @returns undefined if a header is malformed */
function readHeaders(lines: readonly string[]): Map<string, string> | undefined {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = HEADER.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    const before = headers.get(key);
    if (before !== undefined && ONCE.has(key)) return undefined;
    headers.set(key, before === undefined ? value.trimEnd() : `${before}, ${value.trimEnd()}`);
  }
  return headers;
}
