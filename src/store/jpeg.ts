/**
 * Encodes an OpenCV frame as JPEG, on the runtime's own threads for images.
 *
 * An array of B, G, R bytes is the body of a Windows bitmap, which `Bun.Image` decodes: a header of
 * 54 bytes, a negative height for rows from the top, and rows padded to a multiple of 4 bytes. A
 * gray pixel is written three times. A JPEG has no alpha, so that of BGRA is dropped.
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
 * @throws {Error} if the image cannot be encoded
 */
export async function encodeJpeg(
  address: Address,
  array: RawArray,
  quality: number,
): Promise<Uint8Array> {
  // The runtime's own limit is meant for small files that expand to many pixels. These pixels are
  // in memory already.
  const maxPixels = array.height * array.width;
  return await new Bun.Image(bitmap(address, array), { maxPixels }).jpeg({ quality }).bytes();
}

/** A Windows bitmap (BITMAPFILEHEADER, BITMAPINFOHEADER, rows) with 24 bits per pixel. */
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
  // A row that already has the bitmap's format needs no conversion.
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
 * Converts a row's pixels to B, G, R: the runtime's decoder does not support bitmaps with 8 bits
 * per pixel.
 */
function spread(row: Uint8Array, channels: number, target: Uint8Array): void {
  const [green, red] = channels === 1 ? [0, 0] : [1, 2];
  for (let from = 0, to = 0; from < row.length; from += channels, to += 3) {
    target[to] = row[from]!;
    target[to + 1] = row[from + green]!;
    target[to + 2] = row[from + red]!;
  }
}
