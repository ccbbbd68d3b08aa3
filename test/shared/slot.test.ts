import { describe, expect, test } from "bun:test";
import { type Address } from "../../src/os/ffi.ts";
import { mapMemory, memoryAt } from "../../src/os/memory.ts";
import { TEXT_BYTES_MAX } from "../../src/limits.ts";
import { Kind, Outcome, Slot, SLOT_BYTES, Slots } from "../../src/shared/slot.ts";

function newMemory(slots: number): Address {
  return mapMemory(slots * SLOT_BYTES);
}

const memory = newMemory(3);

describe("Slot gives back", () => {
  test.each([
    ["nothing", ""],
    ["a name", "Barn-Door"],
    ["a text of many alphabets", "Küche|Temp|21 °C 東京 🐄"],
    ["the longest text", "x".repeat(TEXT_BYTES_MAX)],
    ["the longest text that ends with 2 bytes", `${"x".repeat(TEXT_BYTES_MAX - 2)}ü`],
    ["the longest text that ends with 3 bytes", `${"x".repeat(TEXT_BYTES_MAX - 3)}€`],
    ["the longest text that ends with 4 bytes", `${"x".repeat(TEXT_BYTES_MAX - 4)}🐄`],
    ["a NUL", "a\0b"],
  ])("%s", (_, text) => {
    const slot = new Slot(memory, 1);
    slot.text = "y".repeat(TEXT_BYTES_MAX);
    slot.text = text;
    expect(new Slot(memory, 1).text).toBe(text);
  });

  test.each([0, 1, 1024, 2 ** 32, 2 ** 47 + 1, Number.MAX_SAFE_INTEGER])(
    "the address and length %d",
    (number) => {
      const slot = new Slot(memory, 1);
      slot.setPayload(number, number);
      expect([slot.payloadAddress, slot.payloadBytes]).toEqual([number, number]);
    },
  );

  test("all its parts when all are set", () => {
    const slot = new Slot(memory, 1);
    const micros = 1_790_000_000_123_456;
    slot.kind = Kind.raw;
    slot.outcome = Outcome.overCap;
    slot.micros = micros;
    slot.node = "ü".repeat(112);
    slot.raw = { height: 65_500, width: 1, channels: 3, item: "uint16be" };
    slot.setPayload(0x7fff_1234_5678, 196_500);
    slot.text = "Barn";
    const { kind, outcome, raw, payloadAddress, payloadBytes, node, text } = new Slot(memory, 1);
    expect({
      kind,
      outcome,
      raw,
      payloadAddress,
      payloadBytes,
      node,
      text,
      micros: slot.micros,
    }).toEqual({
      kind: Kind.raw,
      outcome: Outcome.overCap,
      raw: { height: 65_500, width: 1, channels: 3, item: "uint16be" },
      // As long as a name can be.
      node: "ü".repeat(112),
      payloadAddress: 0x7fff_1234_5678,
      payloadBytes: 196_500,
      text: "Barn",
      micros,
    });
  });
});

test("Slot cuts a text at the end of a character when it is too long", () => {
  const slot = new Slot(memory, 1);
  for (const character of ["x", "ü", "€", "🐄"]) {
    for (const before of ["", "a", "ab", "abc"]) {
      slot.text = before + character.repeat(TEXT_BYTES_MAX);
      const fits = Math.floor((TEXT_BYTES_MAX - before.length) / Buffer.byteLength(character));
      expect(slot.text === before + character.repeat(fits)).toBe(true);
    }
  }
});

test("Slot changes no other slot when it is filled to its bounds", () => {
  const three = newMemory(3);
  const bytes = new Uint8Array(memoryAt(three, 3 * SLOT_BYTES)).fill(0xaa);
  const slot = new Slot(three, 1);
  slot.text = "€".repeat(TEXT_BYTES_MAX);
  slot.kind = slot.outcome = -1;
  slot.micros = -1;
  slot.raw = { height: -1, width: -1, channels: 4, item: "uint16be" };
  slot.setPayload(-1, -1);
  const others = [...bytes.subarray(0, SLOT_BYTES), ...bytes.subarray(2 * SLOT_BYTES)];
  expect(others.every((byte) => byte === 0xaa)).toBe(true);
});

test("Slots gives the same view each time", () => {
  const slots = new Slots(newMemory(2));
  expect(slots.at(1)).toBe(slots.at(1));
  slots.at(0).text = "zero";
  slots.at(1).text = "one";
  expect([slots.at(0).text, slots.at(1).text]).toEqual(["zero", "one"]);
});
