import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";
import { eventFrames, jpegFrames, rawFrames } from "../../src/cli/frames.ts";
import { parseRequest } from "../../src/protocol/request.ts";

const BARN = join(import.meta.dir, "../fixtures/Barn-2021-04-19T23.43.20.867255.jpg");

const headerOf = ([header]: readonly Uint8Array[]): unknown =>
  JSON.parse(Buffer.from(header!).toString());

test("jpegFrames makes a header and leaves the file as it is", () => {
  const jpeg = Buffer.from([0xff, 0xd8, 1, 2]);
  const frames = jpegFrames('Küche "A"|jpg|', jpeg);
  expect(headerOf(frames)).toEqual({ msg: 'Küche "A"|jpg|' });
  expect(frames[1]).toBe(jpeg);
});

test("eventFrames makes a request that a hub takes as an event", () => {
  const [header, payload] = eventFrames("Garage|Temp|76 F");
  expect(headerOf([header])).toEqual({ msg: "Garage|Temp|76 F", dtype: "uint8", shape: [3, 3] });
  expect(parseRequest(header, { size: payload.length, isJpeg: false })).toEqual({
    kind: "event",
    node: "Garage",
    text: "Garage|Temp|76 F",
  });
});

describe("rawFrames makes an OpenCV array in the order B, G, R of a PNG", () => {
  // Red, green; blue, white: no two channels or rows are the same.
  const bgr = [0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255];
  test.each<[what: string, channels: 1 | 2 | 3 | 4, data: number[], pixels: number[]]>([
    ["with colours", 3, [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255], bgr],
    ["with opacity", 4, [255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255, 255, 255, 255], bgr],
    ["in gray", 1, [0, 80, 160, 255], [0, 0, 0, 80, 80, 80, 160, 160, 160, 255, 255, 255]],
    [
      "in gray with opacity",
      2,
      [0, 255, 80, 255, 160, 255, 255, 255],
      [0, 0, 0, 80, 80, 80, 160, 160, 160, 255, 255, 255],
    ],
  ])("%s", async (_, channels, data, pixels) => {
    const png = encode({ width: 2, height: 2, channels, depth: 8, data: new Uint8Array(data) });
    const frames = await rawFrames("Barn|image|", png);
    expect(headerOf(frames)).toEqual({ msg: "Barn|image|", dtype: "uint8", shape: [2, 2, 3] });
    expect([...frames[1]]).toEqual(pixels);
  });

  test.each<
    [what: string, channels: 1 | 2 | 3 | 4, data: number[], shape: number[], items: number[]]
  >([
    ["with colours", 3, [1, 256, 65_535, 4, 5, 6], [1, 2, 3], [65_535, 256, 1, 6, 5, 4]],
    [
      "with opacity",
      4,
      [1, 256, 65_535, 4, 5, 6, 7, 8],
      [1, 2, 4],
      [65_535, 256, 1, 4, 7, 6, 5, 8],
    ],
    ["in gray", 1, [256, 65_535], [1, 2], [256, 65_535]],
    ["in gray with opacity", 2, [256, 1, 65_535, 2], [1, 2], [256, 65_535]],
  ])("of 16 bits %s, with all of them", async (_, channels, data, shape, items) => {
    const png = encode({ width: 2, height: 1, channels, depth: 16, data: new Uint16Array(data) });
    const [header, payload] = await rawFrames("Barn|image|", png);
    expect(headerOf([header])).toEqual({ msg: "Barn|image|", dtype: "uint16", shape });
    expect([...new Uint16Array(new Uint8Array(payload).buffer)]).toEqual(items);
    expect(parseRequest(header, { size: payload.length, isJpeg: false })).toMatchObject({
      raw: { width: 2, height: 1, item: "uint16" },
    });
  });
});

test("rawFrames makes an array that a hub takes of a JPEG", async () => {
  const [header, payload] = await rawFrames("Barn|image|", readFileSync(BARN));
  const { width, height } = await new Bun.Image(readFileSync(BARN)).metadata();
  expect(parseRequest(header, { size: payload.length, isJpeg: false })).toMatchObject({
    kind: "image",
    name: "Barn",
    raw: { height, width, channels: 3 },
  });
});

test("rawFrames throws when the file is no picture", async () => {
  for (const file of [
    Buffer.from("hello"),
    new Uint8Array(0),
    readFileSync(BARN).subarray(0, 100),
  ]) {
    // oxlint-disable-next-line typescript/await-thenable -- the matcher gives a promise here
    await expect(rawFrames("Barn|image|", file)).rejects.toThrow();
  }
});
