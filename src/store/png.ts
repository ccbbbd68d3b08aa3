/**
 * Encodes an array with 16 bits per channel as PNG, for example a camera's depth map. A JPEG has 8
 * bits and would lose some.
 *
 * @module
 */

import { type Address } from "../os/ffi.ts";
import { copyTo } from "../os/memory.ts";
import type { RawArray } from "../protocol/request.ts";

/**
 * Effort of the encoder, 0 to 9. More than this makes depth maps hardly smaller, but takes up to
 * twice as long.
 */
const LEVEL = 3;

/**
 * Encodes the array at `address`, without loss. It blocks the thread: 640x480 in gray takes some 20
 * ms, 1280x720 some 60 ms.
 *
 * @throws {Error} if there is not enough memory
 */
export async function encodePng(address: Address, array: RawArray): Promise<Uint8Array> {
  // Few hubs ever get such an array, so load the encoder only then.
  const { encode } = await import("fast-png");
  const { height, width, channels } = array;
  const data = itemsAt(address, array);
  return encode({ height, width, channels, depth: 16, data }, { zlib: { level: LEVEL } });
}

/** The items as numbers, in the order of a PNG: R, G, B. */
function itemsAt(address: Address, { height, width, channels, item }: RawArray): Uint16Array {
  const items = new Uint16Array(height * width * channels);
  const bytes = Buffer.from(items.buffer);
  copyTo(bytes, address, bytes.byteLength);
  // Every machine that the hub runs on is little-endian.
  if (item === "uint16be") bytes.swap16();
  if (channels === 1) return items;
  for (let blue = 0; blue < items.length; blue += channels) {
    const red = blue + 2;
    [items[blue], items[red]] = [items[red]!, items[blue]!];
  }
  return items;
}
