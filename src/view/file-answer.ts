/**
 * A stored image as an answer: whole, a range of it, or that it has not changed.
 *
 * @see RFC 9110, 13 and 14
 *
 * @module
 */

import { type Answer, partsThatEnd, plain } from "../http/answer.ts";
import type { StoredFile } from "./source.ts";

/** A longer file is sent in parts of this size, in bytes. */
const PART_BYTES = 256 * 1024;

const TYPES = { jpg: "image/jpeg", png: "image/png" } as const;

/** Answers with an image, and closes it. @param saveAs the name under which a browser saves it */
export function fileAnswer(
  image: StoredFile,
  headers: ReadonlyMap<string, string>,
  saveAs: string | undefined,
): Answer {
  const type = TYPES[image.name.endsWith(".png") ? "png" : "jpg"];
  const common = {
    ETag: image.tag,
    "Cache-Control": "private, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    ...(saveAs !== undefined && {
      "Content-Disposition": `attachment; filename*=UTF-8''${encodeURIComponent(saveAs)}`,
    }),
  };
  if (isUnchanged(headers, image.tag)) {
    image[Symbol.dispose]();
    return { status: 304, type, body: new Uint8Array(0), headers: common };
  }
  const ifRange = headers.get("if-range");
  const isRange = ifRange === undefined || ifRange === image.tag;
  const range = isRange ? rangeIn(headers.get("range"), image.bytes) : undefined;
  if (range === "none") {
    image[Symbol.dispose]();
    return plain(416, `The image has ${image.bytes} bytes`, {
      "Content-Range": `bytes */${image.bytes}`,
    });
  }
  const { from, length } = range ?? { from: 0, length: image.bytes };
  return {
    status: range === undefined ? 200 : 206,
    type,
    length,
    body:
      length <= PART_BYTES
        ? readAll(image, from, length)
        : partsThatEnd(partsOf(image, from, length), () => image[Symbol.dispose]()),
    headers: {
      ...common,
      ...(range && { "Content-Range": `bytes ${from}-${from + length - 1}/${image.bytes}` }),
    },
  };
}

/**
 * Whether somebody has already what they ask for.
 *
 * @param modified as in `Last-Modified`. Only the same instant counts: an earlier image may have
 * taken the place of one that was deleted
 */
export function isUnchanged(
  headers: ReadonlyMap<string, string>,
  tag: string,
  modified?: string,
): boolean {
  const tags = headers.get("if-none-match");
  if (tags !== undefined) return tags.trim() === "*" || tags.includes(tag);
  return modified !== undefined && headers.get("if-modified-since") === modified;
}

function readAll(image: StoredFile, from: number, length: number): Uint8Array {
  using open = image;
  return open.read(from, length);
}

async function* partsOf(
  image: StoredFile,
  from: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  using open = image;
  for (let done = 0; done < length; done += PART_BYTES)
    yield await Promise.resolve(open.read(from + done, Math.min(PART_BYTES, length - done)));
}

/**
 * @returns undefined if the whole is meant: more than one range is not answered; `none` if it is
 * not in the image
 */
function rangeIn(
  header: string | undefined,
  bytes: number,
): { readonly from: number; readonly length: number } | "none" | undefined {
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  const from = first === "" ? Math.max(0, bytes - Number(last)) : Number(first);
  const to = first === "" || last === "" ? bytes - 1 : Math.min(bytes - 1, Number(last));
  return from > to || from >= bytes ? "none" : { from, length: to - from + 1 };
}
