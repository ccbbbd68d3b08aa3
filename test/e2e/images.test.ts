/**
 * The images that a hub stores, end to end: what cameras send, as imagezmq puts it on the wire, and
 * the files and names that come of it.
 *
 * @module
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { startHub } from "../support/hub/hub.ts";
import { tempDir } from "../support/machine/temp.ts";
import { patternPixel, Sender, type RandomArray, type RawImage } from "../support/peers/sender.ts";
import {
  BARN,
  describeEachProgram,
  events,
  FIXTURES,
  sha256,
  storedHashes,
  storedNodes,
} from "./stored.ts";

// Only so that nothing hangs for ever: an emulated hub takes seconds to start, and some tests start
// two.
setDefaultTimeout(120_000);

describeEachProgram((program) => {
  test("stores a JPEG byte for byte under the name of its node, view and time", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const sent = [
      { text: "Barn|jpg|moving", node: "Barn", file: BARN },
      {
        text: "Driveway Mailbox|jpg|still",
        node: "Driveway-Mailbox",
        file: join(FIXTURES, "Driveway-Mailbox-2021-09-23T16.58.47.490303.jpg"),
      },
      {
        text: " Grapes | JPG ",
        node: "Grapes",
        file: join(FIXTURES, "Grapes-2021-09-15T07.16.03.793690.jpg"),
      },
    ];
    for (const { text, file } of sent) {
      const reply = await sender.jpg(text, { file });
      expect(reply.frames.map(String)).toEqual(["OK"]);
    }
    expect(storedNodes(hub).toSorted()).toEqual(sent.map(({ node }) => node));
    for (const { node, file } of sent) {
      const image = hub.images().find(({ name }) => name.startsWith(`${node}-`));
      expect(image?.bytes.equals(readFileSync(file))).toBe(true);
    }
    expect(events(hub)).toEqual([]);
  });

  test("stores a raw array as a JPEG of the same picture", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const sent: readonly RawImage[] = [
      { kind: "bgr", height: 480, width: 640, seed: 100 },
      // Rows whose bytes are no multiple of four.
      { kind: "bgr", height: 101, width: 163, seed: 20 },
      { kind: "gray", height: 480, width: 640 },
      { kind: "gray", height: 75, width: 101 },
      { kind: "sliced", height: 120, width: 163, seed: 60 },
      { kind: "bgra", height: 101, width: 163, seed: 20 },
      { kind: "bool", height: 64, width: 97 },
    ];
    for (const [index, array] of sent.entries()) {
      const { reply } = await sender.raw(`Barn Door ${index}|image|moving`, array);
      expect([array, reply]).toEqual([array, "OK"]);
      const image = hub.images().find(({ name }) => name.startsWith(`Barn-Door-${index}-`));
      const picture = await decode(image?.bytes ?? new Uint8Array());
      const { width, height } = picture;
      expect({ ...array, width, height }).toEqual(array);
      expect(largestDifference(picture, array), JSON.stringify(array)).toBeLessThanOrEqual(8);
    }
    expect(storedNodes(hub).toSorted()).toEqual(sent.map((_, index) => `Barn-Door-${index}`));
  });

  test("stores an array of 16 bits as a PNG with every bit of it", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const sent: readonly RandomArray[] = [
      { dtype: "uint16", shape: [480, 640] },
      { dtype: "<u2", shape: [37, 101, 1] },
      { dtype: ">u2", shape: [101, 37] },
      { dtype: "uint16", spelt: "=u2", shape: [20, 31, 3] },
      { dtype: ">u2", shape: [31, 20, 3] },
      { dtype: "uint16", spelt: "H", shape: [1, 9, 4] },
      { dtype: ">u2", shape: [9, 1, 4] },
    ];
    for (const [seed, array] of sent.entries()) {
      const type = seed % 2 === 0 ? "image" : "jpg";
      const { reply, sha256: hash } = await sender.array(`Depth ${seed}|${type}|`, {
        ...array,
        seed,
      });
      expect([array, reply]).toEqual([array, "OK"]);
      const image = hub.images().find(({ name }) => name.startsWith(`Depth-${seed}-`))!;
      expect(image.name).toMatch(/-\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{6}\.png$/);
      const stored = await sender.png(
        join(hub.dataDir, "images", image.folder, image.name),
        array.dtype,
      );
      const [height, width, channels = 1] = array.shape;
      expect(stored).toEqual({
        shape: [height!, width!, ...(channels === 1 ? [] : [channels])],
        sha256: hash,
      });
    }
    expect(storedNodes(hub)).toHaveLength(sent.length);
  });

  test("refuses an array that is no picture, and says what is one", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    for (const dtype of ["float32", "float64", "int16", "uint32"]) {
      const { reply } = await sender.array("Barn|image|", { dtype, shape: [48, 64] });
      expect(reply).toBe(
        `ERROR an image of dtype ${dtype} cannot be stored, only uint8, bool and uint16`,
      );
    }
    expect(await sender.raw("Barn|image|", { kind: "gray", height: 48, width: 64 })).toMatchObject({
      reply: "OK",
    });
    expect(storedNodes(hub)).toEqual(["Barn"]);
  });

  test("stores a JPEG that was sent as an array byte for byte", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const shapes = [[-1, 1], [-1]];
    for (const type of ["jpg", "image"]) {
      for (const shape of shapes) {
        expect(await sender.encoded(`Barn|${type}|`, BARN, shape)).toMatchObject({ reply: "OK" });
      }
    }
    expect(await sender.encoded("Barn|jpg|", BARN, [1, -1])).toMatchObject({ reply: "OK" });
    expect(storedHashes(hub)).toEqual(Array.from({ length: 5 }, () => sha256(readFileSync(BARN))));
  });

  test("makes one safe name of any node", async () => {
    using outside = tempDir();
    // As deep as the names climb, so that whatever got out would be seen.
    const dir = join(outside.path, "a/b/c");
    await using hub = await startHub({ program, dir });
    await using sender = new Sender(hub.port);
    const nodes = [
      "../../x",
      "../../../../x",
      "..",
      ".",
      "/tmp/x",
      "Front/Door",
      ".hidden",
      "-rf",
      "nul\0byte",
      "line\nbreak",
      "back\\slash",
      "Küche 🐄",
      "x".repeat(300),
      "ü".repeat(300),
    ];
    for (const node of nodes) {
      const { reply } = await sender.jpg(`${node}|jpg|moving`, { file: BARN });
      expect([node, reply]).toEqual([node, "OK"]);
    }
    expect(storedNodes(hub)).toHaveLength(nodes.length);
    for (const { name } of hub.images()) {
      expect(name).not.toMatch(/^[.]|[\p{Cc}/\\]/u);
    }
    const everywhere = readdirSync(outside.path, { recursive: true, withFileTypes: true });
    const strays = everywhere.filter(
      (entry) => entry.isFile() && !entry.parentPath.startsWith(join(dir, "imagehub_data")),
    );
    expect(strays.map(({ name }) => name)).toEqual([]);
    expect(readdirSync(join(hub.dataDir, "images"))).toEqual([hub.today()]);
  });
});

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Row by row, a byte for each channel; red, green, blue. */
  readonly pixels: Uint8Array;
}

/**
 * The pixels of a JPEG. `Bun.Image` hands out no pixels, so it makes a PNG of them, which is
 * lossless, and this undoes the PNG (RFC 2083: chunks, zlib, one filter a row).
 */
async function decode(jpeg: Uint8Array): Promise<Picture> {
  expect(await new Bun.Image(jpeg).metadata()).toMatchObject({ format: "jpeg" });
  const png = await new Bun.Image(jpeg).png().buffer();
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const body = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") data.push(body);
  }
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const channels = { 0: 1, 2: 3, 6: 4 }[png.readUInt8(25)] ?? 0;
  const stride = width * channels;
  const filtered = inflateSync(Buffer.concat(data));
  expect(filtered).toHaveLength((stride + 1) * height);

  const pixels = new Uint8Array(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = filtered[y * (stride + 1)] ?? 0;
    for (let x = 0; x < stride; x += 1) {
      const at = y * stride + x;
      const left = x < channels ? 0 : (pixels[at - channels] ?? 0);
      const above = pixels[at - stride] ?? 0;
      const corner = x < channels ? 0 : (pixels[at - stride - channels] ?? 0);
      const predicted =
        [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter] ?? 0;
      pixels[at] = (filtered[y * (stride + 1) + 1 + x] ?? 0) + predicted;
    }
  }
  return { width, height, channels, pixels };
}

/** PNG's predictor: whichever of the three neighbours is nearest to left + above - corner. */
function paeth(left: number, above: number, corner: number): number {
  const [toLeft, toAbove] = [Math.abs(above - corner), Math.abs(left - corner)];
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

/** By how much the worst channel of any pixel differs from what was sent, in steps of 255. */
function largestDifference(picture: Picture, sent: RawImage): number {
  let largest = 0;
  for (let y = 0; y < picture.height; y += 1) {
    for (let x = 0; x < picture.width; x += 1) {
      const at = (y * picture.width + x) * picture.channels;
      for (const [channel, value] of patternPixel(sent, x, y).entries()) {
        const offset = picture.channels === 1 ? 0 : channel;
        largest = Math.max(largest, Math.abs((picture.pixels[at + offset] ?? 0) - value));
      }
    }
  }
  return largest;
}
