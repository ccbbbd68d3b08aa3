import { expect, test } from "bun:test";
import { ptr } from "bun:ffi";
import { decode } from "fast-png";
import type { RawArray } from "../../src/protocol/request.ts";
import { encodeJpeg } from "../../src/store/jpeg.ts";

/** Squares of this many pixels, so that each block of a JPEG has one colour. */
const SQUARE = 16;

/** The bytes of an array of two squares side by side, each of one colour. */
function squares(...pixels: readonly (readonly number[])[]): Buffer {
  const row = pixels.flatMap((pixel) => Array.from({ length: SQUARE }, () => pixel).flat());
  return Buffer.from(Array.from({ length: SQUARE }, () => row).flat());
}

test.each<[what: string, array: Partial<RawArray>, bytes: Buffer, colours: number[][]]>([
  [
    "gray",
    {},
    squares([0], [200]),
    [
      [0, 0, 0],
      [200, 200, 200],
    ],
  ],
  [
    "BGR",
    { channels: 3 },
    squares([200, 40, 40], [40, 40, 200]),
    [
      [40, 40, 200],
      [200, 40, 40],
    ],
  ],
  [
    "BGRA, whose opacity is left out",
    { channels: 4 },
    squares([200, 40, 40, 0], [40, 40, 200, 128]),
    [
      [40, 40, 200],
      [200, 40, 40],
    ],
  ],
  [
    "bool",
    { item: "bool" },
    squares([0], [1]),
    [
      [0, 0, 0],
      [255, 255, 255],
    ],
  ],
  [
    "bool with colours",
    { item: "bool", channels: 3 },
    squares([1, 0, 0], [0, 1, 1]),
    [
      [0, 0, 255],
      [255, 255, 0],
    ],
  ],
])("encodeJpeg makes a picture of %s", async (_, given, memory, colours) => {
  const array: RawArray = {
    height: SQUARE,
    width: 2 * SQUARE,
    channels: 1,
    item: "uint8",
    ...given,
  };
  const jpeg = await encodeJpeg(ptr(memory), array, 100);
  expect(await new Bun.Image(jpeg).metadata()).toMatchObject({
    format: "jpeg",
    width: 32,
    height: 16,
  });
  // Held until here, as an address does not hold it.
  expect(memory).toHaveLength(32 * 16 * array.channels);
  const { data, channels } = decode(await new Bun.Image(jpeg).png().bytes());
  for (const [square, colour] of colours.entries()) {
    const at = (SQUARE / 2) * 2 * SQUARE + square * SQUARE + SQUARE / 4;
    for (const [channel, value] of colour.entries()) {
      expect(
        Math.abs(data[at * channels + (channels < 3 ? 0 : channel)]! - value),
      ).toBeLessThanOrEqual(6);
    }
  }
});
