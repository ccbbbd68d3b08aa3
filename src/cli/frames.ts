/**
 * The two frames that imagezmq makes of a text and an image.
 *
 * @module
 */

import { decode } from "fast-png";

const PNG_SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");

/** Frame 1 and frame 2 of a request. */
export type Frames = readonly [header: Uint8Array, payload: Uint8Array];

/** A JPEG file as `send_jpg` sends it. */
export function jpegFrames(text: string, jpeg: Uint8Array): Frames {
  return [Buffer.from(JSON.stringify({ msg: text })), jpeg];
}

/** An event as imagenode sends it: with a tiny black image, which no hub looks at. */
export function eventFrames(text: string): Frames {
  return arrayFrames(text, [3, 3], new Uint8Array(9));
}

/**
 * A picture as `send_image` sends it: an OpenCV array of B, G, R. A PNG of 16 bits a channel keeps
 * them all, and its channels.
 *
 * @param file in any format that the runtime decodes (JPEG, PNG, WebP, BMP, GIF)
 * @throws {Error} where it is none
 */
export async function rawFrames(text: string, file: Uint8Array): Promise<Frames> {
  const png = isDeepPng(file) ? file : await new Bun.Image(file).png().bytes();
  // The runtime gives no pixels out, but it makes a PNG of anything, and that is easily opened.
  const { width, height, channels, data, depth } = decode(png);
  // One channel, or one and its opacity, is gray.
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
 * Whether a file is a PNG of 16 bits a channel, by its signature and its first chunk (RFC 2083).
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
