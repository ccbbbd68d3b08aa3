import { expect, test } from "bun:test";
import { Incoming, INCOMING_BYTES_MAX } from "../../src/tell/mqtt-incoming.ts";

/** A packet with so many bytes after its length. */
function packet(length: number, has = length): Uint8Array {
  const head = [0x30];
  for (let rest = length; ;) {
    const low = rest & 0x7f;
    rest >>= 7;
    head.push(rest > 0 ? low | 0x80 : low);
    if (rest === 0) return Buffer.concat([new Uint8Array(head), Buffer.alloc(has, 0xff)]);
  }
}

const SMALL = [0, 1, 127, 128, 16_383, 16_384, INCOMING_BYTES_MAX];

test.each([1, 2, 3, 1000, 1e6])("Incoming knows packets in pieces of %p bytes", (step) => {
  const incoming = new Incoming();
  const small = Buffer.concat(SMALL.map((length) => packet(length)));
  for (let at = 0; at < small.length; at += step)
    expect(incoming.takes(small.subarray(at, at + step))).toBe(false);
  const large = packet(INCOMING_BYTES_MAX + 1, 0);
  const found = Array.from({ length: Math.ceil(large.length / step) }, (_, at) =>
    incoming.takes(large.subarray(at * step, (at + 1) * step)),
  );
  expect(found.at(-1)).toBe(true);
});

test("Incoming sees that a packet is too large before it has come", () => {
  expect(new Incoming().takes(packet(150_000_000, 0))).toBe(true);
});
