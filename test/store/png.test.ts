import { expect, test } from "bun:test";
import { inflateSync } from "node:zlib";
import { ptr } from "bun:ffi";
import { encodePng } from "../../src/store/png.ts";
import type { RawArray } from "../../src/protocol/request.ts";

/** The chunks of a PNG (RFC 2083) by their names; each is there once. */
function chunksOf(png: Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(png);
  expect(bytes.toString("hex", 0, 8)).toBe("89504e470d0a1a0a");
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    const end = at + 8 + bytes.readUInt32BE(at);
    expect(bytes.readUInt32BE(end)).toBe(Bun.hash.crc32(bytes.subarray(at + 4, end)));
    chunks.set(bytes.toString("latin1", at + 4, at + 8), bytes.subarray(at + 8, end));
  }
  return chunks;
}

// Two rows of two pixels. Rows of a PNG begin with their filter, 0 for none, and numbers have the
// high byte first.
test.each<[what: string, array: Partial<RawArray>, hex: string, rows: string]>([
  ["gray", { item: "uint16" }, "0100 0200 0300 ffee", "00 0001 0002  00 0003 eeff"],
  [
    "gray with the high byte first",
    { item: "uint16be" },
    "0100 0200 0300 ffee",
    "00 0100 0200  00 0300 ffee",
  ],
  [
    "BGR",
    { channels: 3 },
    "010002000300 040005000600 070008000900 0a000b000cff",
    "00 000300020001 000600050004  00 000900080007 ff0c000b000a",
  ],
  [
    "BGRA with the high byte first",
    { channels: 4, item: "uint16be" },
    "0001000200030004 0005000600070008 0009000a000b000c 000d000e000ff010",
    "00 0003000200010004 0007000600050008  00 000b000a0009000c 000f000e000df010",
  ],
])("encodePng keeps every bit of %s, and makes R, G, B of B, G, R", async (_, given, hex, rows) => {
  const array: RawArray = { width: 2, height: 2, channels: 1, item: "uint16", ...given };
  const memory = Buffer.from(hex.replaceAll(" ", ""), "hex");
  const chunks = chunksOf(await encodePng(ptr(memory), array));
  const header = chunks.get("IHDR")!;
  const colour = { 1: 0, 3: 2, 4: 6 }[array.channels];
  expect([...header]).toEqual([0, 0, 0, 2, 0, 0, 0, 2, 16, colour, 0, 0, 0]);
  expect(inflateSync(chunks.get("IDAT")!).toString("hex")).toBe(rows.replaceAll(" ", ""));
  // What is encoded is libzmq's memory, which is to stay as it is.
  expect(memory.toString("hex")).toBe(hex.replaceAll(" ", ""));
});
