/**
 * Makes the two frames of a request from a text and an image, as imagezmq does.
 *
 * @module
 */

import { decode } from "fast-png";

const PNG_SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");

/** Frame 1 and frame 2 of a request. */
export type Frames = readonly [header: Uint8Array, payload: Uint8Array];

/** Frames for a JPEG file, as `send_jpg` makes them. */
export function jpegFrames(text: string, jpeg: Uint8Array): Frames {
  return [Buffer.from(JSON.stringify({ msg: text })), jpeg];
}

/** Frames for an event, as imagenode makes them: with a tiny black image that hubs ignore. */
export function eventFrames(text: string): Frames {
  return arrayFrames(text, [3, 3], new Uint8Array(9));
}

/**
 * Frames for a picture, as `send_image` makes them: an OpenCV array with channels B, G, R. A PNG
 * with 16 bits per channel keeps its depth and its channels.
 *
 * @param file in any format that the runtime decodes (JPEG, PNG, WebP, BMP, GIF)
 * @throws {Error} if it cannot be decoded
 */
export async function rawFrames(text: string, file: Uint8Array): Promise<Frames> {
  const png = isDeepPng(file) ? file : await new Bun.Image(file).png().bytes();
  // The runtime does not give out pixels, but it converts anything to PNG, which is easy to decode.
  const { width, height, channels, data, depth } = decode(png);
  // One channel, or one plus alpha, is gray.
  const gray = depth === 16 ? [0] : [0, 0, 0];
  const order = channels < 3 ? gray : depth === 16 && channels === 4 ? [2, 1, 0, 3] : [2, 1, 0];
  const items = new (depth === 16 ? Uint16Array : Uint8Array)(width * height * order.length);
  for (let from = 0, to = 0; to < items.length; from += channels) {
    for (const channel of order) items[to++] = data[from + channel]!;
  }
  const shape = order.length === 1 ? [height, width] : [height, width, order.length];
  return arrayFrames(text, shape, items);
}

/**
 * Whether a file is a PNG with 16 bits per channel, by its signature and first chunk (RFC 2083).
 */
function isDeepPng(file: Uint8Array): boolean {
  return Buffer.from(file.subarray(0, 8)).equals(PNG_SIGNATURE) && file[24] === 16;
}

function arrayFrames(
  text: string,
  shape: readonly number[],
  items: Uint8Array | Uint16Array,
): Frames {
  const dtype = items instanceof Uint16Array ? "uint16" : "uint8";
  return [
    Buffer.from(JSON.stringify({ msg: text, dtype, shape })),
    new Uint8Array(items.buffer, items.byteOffset, items.byteLength),
  ];
}
