/**
 * Makes a JPEG of an OpenCV frame, on the runtime's own threads for images.
 *
 * An array of B, G, R bytes is the body of a Windows bitmap, which `Bun.Image` decodes: 54 bytes of header, a negative
 * height for rows from the top, and rows filled up to a multiple of 4 bytes. A gray pixel stands there three times.
 *
 * @module
 */

import type { RawShape } from "../request.ts";
import { type Address, copyTo } from "../libc.ts";

const FILE_HEADER_BYTES = 14;
const HEADERS_BYTES = FILE_HEADER_BYTES + 40;

/**
 * Encodes the array at `address`.
 *
 * @param quality of the JPEG, 1 to 100
 * @throws {Error} where the image cannot be encoded
 */
export async function encodeJpeg(address: Address, shape: RawShape, quality: number): Promise<Uint8Array> {
  // The runtime's own bound is for files that say little and unfold to much; these pixels are all here already.
  const maxPixels = shape.height * shape.width;
  return await new Bun.Image(bitmap(address, shape), { maxPixels }).jpeg({ quality }).bytes();
}

/** A Windows bitmap (BITMAPFILEHEADER, BITMAPINFOHEADER, rows) of 24 bits a pixel. */
function bitmap(address: Address, { height, width, channels }: RawShape): Uint8Array {
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
  const gray = new Uint8Array(channels === 1 ? width : 0);
  for (let row = 0; row < height; row++) {
    const target = bytes.subarray(HEADERS_BYTES + row * stride);
    if (channels === 3) copyTo(target, address + row * rowBytes, rowBytes);
    else {
      copyTo(gray, address + row * rowBytes, rowBytes);
      // The runtime's decoder takes no bitmap of 8 bits a pixel.
      for (let x = 0; x < width; x++) target[x * 3] = target[x * 3 + 1] = target[x * 3 + 2] = gray[x]!;
    }
  }
  return bytes;
}
