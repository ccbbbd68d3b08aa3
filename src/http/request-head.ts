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

/** Longest path plus query, in characters. */
const TARGET_CHARS_MAX = 256;

const REQUEST_LINE = /^([!#$%&'*+.^_`|~\w-]+) (\S+) HTTP\/1\.([01])$/;
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;

/** Headers that may appear only once: two of them would make two requests of one. */
const ONCE: ReadonlySet<string> = new Set(["host", "content-length"]);

/**
 * @param head everything before the empty line, as Latin-1
 * @returns the request, or the answer to bad input
 */
export function readHead(head: string, gone: AbortSignal): HttpRequest | Answer {
  const [first = "", ...lines] = head.split("\r\n");
  const [, method, target, minor] = REQUEST_LINE.exec(first) ?? [];
  if (method === undefined || target === undefined)
    return plain(400, "This is not an HTTP/1.1 request");
  const headers = readHeaders(lines);
  if (headers === undefined) return plain(400, "The headers are malformed");
  const knowsChunks = minor === "1";
  if (knowsChunks && !headers.has("host")) return plain(400, "The Host header is missing");
  if (headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0")
    return plain(413, "Requests with a body are not accepted");
  if (target.length > TARGET_CHARS_MAX)
    return plain(414, `The address is longer than ${TARGET_CHARS_MAX} characters`);
  if (!target.startsWith("/")) return plain(400, "The address must begin with /");
  const isLast =
    !knowsChunks || /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(headers.get("connection") ?? "");
  return { method, path: target.split("?", 1)[0]!, headers, isLast, knowsChunks, gone };
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
