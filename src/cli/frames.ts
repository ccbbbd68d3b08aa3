/**
 * The two frames that imagezmq makes of a text and an image.
 *
 * @module
 */

import { decode } from "fast-png";

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
 * A picture as `send_image` sends it: an OpenCV array of B, G, R.
 *
 * @param file in any format that the runtime decodes (JPEG, PNG, WebP, BMP, GIF)
 * @throws {Error} where it is none
 */
export async function rawFrames(text: string, file: Uint8Array): Promise<Frames> {
  // The runtime gives no pixels out, but it makes a PNG of anything, and that is easily opened.
  const { width, height, channels, data } = decode(await new Bun.Image(file).png().bytes());
  const pixels = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    // One channel, or one and its opacity, is gray.
    const [red, green, blue] = channels < 3 ? [from, from, from] : [from, from + 1, from + 2];
    pixels.set([data[blue]!, data[green]!, data[red]!], pixel * 3);
  }
  return arrayFrames(text, [height, width, 3], pixels);
}

function arrayFrames(text: string, shape: readonly number[], pixels: Uint8Array): Frames {
  return [Buffer.from(JSON.stringify({ msg: text, dtype: "uint8", shape })), pixels];
}
