/**
 * Makes a JPEG of an OpenCV frame, on the runtime's own threads for images.
 *
 * An array of B, G, R bytes is the body of a Windows bitmap, which `Bun.Image` decodes: 54 bytes of
 * header, a negative height for rows from the top, and rows filled up to a multiple of 4 bytes. A
 * gray pixel stands there three times. A JPEG has no opacity, so that of BGRA is left out.
 *
 * @module
 */

import { type Address } from "../os/ffi.ts";
import { copyTo } from "../os/memory.ts";
import type { RawArray } from "../protocol/request.ts";

const FILE_HEADER_BYTES = 14;
const HEADERS_BYTES = FILE_HEADER_BYTES + 40;

/**
 * Encodes the array at `address`.
 *
 * @param array of `uint8` or `bool`
 * @param quality of the JPEG, 1 to 100
 * @throws {Error} where the image cannot be encoded
 */
export async function encodeJpeg(
  address: Address,
  array: RawArray,
  quality: number,
): Promise<Uint8Array> {
  // The runtime's own bound is for files that say little and unfold to much; these pixels are all
  // here already.
  const maxPixels = array.height * array.width;
  return await new Bun.Image(bitmap(address, array), { maxPixels }).jpeg({ quality }).bytes();
}

/** A Windows bitmap (BITMAPFILEHEADER, BITMAPINFOHEADER, rows) of 24 bits a pixel. */
function bitmap(address: Address, { height, width, channels, item }: RawArray): Uint8Array {
  const stride = Math.ceil((width * 3) / 4) * 4;
  const bytes = new Uint8Array(HEADERS_BYTES + stride * height);

  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x4d42, true);
  view.setUint32(2, bytes.byteLength, true);
  view.setUint32(10, HEADERS_BYTES, true);
  view.setUint32(14, HEADERS_BYTES - FILE_HEADER_BYTES, true);
  view.setInt32(18, width, true);
  view.setInt32(22, -height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 24, true);
  view.setUint32(34, stride * height, true);

  const rowBytes = width * channels;
  // A row that is in the bitmap as it is here needs no copy of its own.
  const isPlain = channels === 3 && item === "uint8";
  const row = new Uint8Array(isPlain ? 0 : rowBytes);
  for (let y = 0; y < height; y++) {
    const target = bytes.subarray(HEADERS_BYTES + y * stride);
    copyTo(isPlain ? target : row, address + y * rowBytes, rowBytes);
    if (isPlain) continue;
    if (item === "bool") for (let at = 0; at < rowBytes; at++) row[at] = row[at] === 0 ? 0 : 255;
    spread(row, channels, target);
  }
  return bytes;
}

/**
 * Makes B, G, R of each pixel of a row: the runtime's decoder takes no bitmap of 8 bits a pixel.
 */
function spread(row: Uint8Array, channels: number, target: Uint8Array): void {
  const [green, red] = channels === 1 ? [0, 0] : [1, 2];
  for (let from = 0, to = 0; from < row.length; from += channels, to += 3) {
    target[to] = row[from]!;
    target[to + 1] = row[from + green]!;
    target[to + 2] = row[from + red]!;
  }
}
