/**
 * What the senders send: a camera's picture as JPEGs of an exact size and as a raw array, and an
 * event.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eventFrames, type Frames, jpegFrames, rawFrames } from "../../src/cli/frames.ts";
import { CHECKOUT } from "../lib/available.ts";

/** The names of the payloads. */
export type PayloadName = "jpeg" | "jpeg-1mb" | "raw" | "event";

/** One request, as the load sends it. */
export interface Payload {
  /** The first frame; a `#` in it becomes the sender's number. */
  readonly head: string;
  /** The second frame. */
  readonly body: Uint8Array;
  /** What the hub makes of it: a file, or a line that contains this text. */
  readonly kept: "file" | { readonly line: string };
}

/** Size of a camera's picture, 640x480 at medium quality, in bytes. */
const JPEG_BYTES = 45_000;

/** Size of a large picture, in bytes. */
const LARGE_JPEG_BYTES = 1_000_000;

/**
 * Length of an event's text, in bytes. imagenode's events with node, place, sensor and readings are
 * as long.
 */
const EVENT_BYTES = 60;

const FIXTURE = join(CHECKOUT, "test/fixtures/Driveway-Mailbox-2021-09-23T16.58.47.490303.jpg");

/** Maximum content of a JPEG segment, and its marker plus length, in bytes. */
const SEGMENT_BYTES_MAX = 65_533;
const SEGMENT_HEAD_BYTES = 4;

/**
 * Makes a valid JPEG longer by adding comments after its first marker. @param bytes the new size
 */
function padded(jpeg: Uint8Array, bytes: number): Uint8Array {
  const comments: Uint8Array[] = [];
  for (let left = bytes - jpeg.length; left > 0;) {
    // The rest must not be shorter than the head of a comment.
    const full = SEGMENT_HEAD_BYTES + SEGMENT_BYTES_MAX;
    const size = left <= full ? left : Math.min(full, left - SEGMENT_HEAD_BYTES);
    if (size < SEGMENT_HEAD_BYTES)
      throw new Error(`Cannot extend a JPEG of ${jpeg.length} bytes to ${bytes}`);
    const comment = Buffer.alloc(size);
    comment.writeUInt16BE(0xff_fe, 0);
    comment.writeUInt16BE(size - 2, 2);
    comments.push(comment);
    left -= size;
  }
  return Buffer.concat([jpeg.subarray(0, 2), ...comments, jpeg.subarray(2)]);
}

/** The picture at the best quality that fits into `bytes`. */
async function jpegUpTo(bytes: number): Promise<Uint8Array> {
  const picture = readFileSync(FIXTURE);
  for (let quality = 95; quality > 0; quality -= 1) {
    const jpeg = await new Bun.Image(picture).jpeg({ quality }).bytes();
    if (jpeg.length <= bytes - SEGMENT_HEAD_BYTES) return jpeg;
  }
  throw new Error(`Cannot make a JPEG of ${bytes} bytes from ${FIXTURE}`);
}

function payload([head, body]: Frames, kept: Payload["kept"] = "file"): Payload {
  return { head: Buffer.from(head).toString(), body, kept };
}

/** Makes all payloads. */
export async function makePayloads(): Promise<Record<PayloadName, Payload>> {
  const text = "node-# view|jpg|bench";
  const event = "node-#|bench|".padEnd(EVENT_BYTES, "x");
  return {
    jpeg: payload(jpegFrames(text, padded(await jpegUpTo(JPEG_BYTES), JPEG_BYTES))),
    "jpeg-1mb": payload(jpegFrames(text, padded(readFileSync(FIXTURE), LARGE_JPEG_BYTES))),
    raw: payload(await rawFrames("node-# view|image|bench", readFileSync(FIXTURE))),
    event: payload(eventFrames(event), { line: "|bench|" }),
  };
}
