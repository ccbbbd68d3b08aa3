import { describe, expect, test } from "bun:test";
import { type Address } from "../../src/os/ffi.ts";
import { mapMemory, memoryAt } from "../../src/os/memory.ts";
import { TEXT_BYTES_MAX } from "../../src/limits.ts";
import {
  Holder,
  Kind,
  Outcome,
  RequestSlot,
  RequestSlots,
  SLOT_BYTES,
} from "../../src/shared/request-slot.ts";

function newMemory(slots: number): Address {
  return mapMemory(slots * SLOT_BYTES);
}

const memory = newMemory(3);

describe("RequestSlot gives back", () => {
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
    const slot = new RequestSlot(memory, 1);
    slot.eventText = "y".repeat(TEXT_BYTES_MAX);
    slot.eventText = text;
    expect(new RequestSlot(memory, 1).eventText).toBe(text);
  });

  test.each([0, 1, 1024, 2 ** 32, 2 ** 47 + 1, Number.MAX_SAFE_INTEGER])(
    "the address and length %d",
    (number) => {
      const slot = new RequestSlot(memory, 1);
      slot.setPayload(number, number);
      expect([slot.payloadAddress, slot.payloadBytes]).toEqual([number, number]);
    },
  );

  test("all its parts when all are set", () => {
    const slot = new RequestSlot(memory, 1);
    const parts = {
      kind: Kind.raw,
      outcome: Outcome.overCap,
      holder: Holder.fastPath,
      isNewcomer: true,
      micros: 1_790_000_000_123_456,
      answerMs: 0.5,
      hops: 8,
      frames: 2,
      headerBytes: 65_536,
      fd: 1_048_575,
      wireBytes: 2 ** 31 - 1,
      // As long as a name can be.
      node: "ü".repeat(112),
      name: "é".repeat(112),
      eventText: "Barn|Temp|76 F",
      failure: "ENOSPC: No space left on device",
      address: "fe80::1234:5678:9abc:def0%enx001122334455",
      raw: { height: 65_500, width: 1, channels: 3, item: "uint16be" },
    } as const;
    Object.assign(slot, parts);
    slot.setPayload(0x7fff_1234_5678, 196_500);
    const other = new RequestSlot(memory, 1);
    expect(other).toMatchObject(parts);
    expect([other.payloadAddress, other.payloadBytes]).toEqual([0x7fff_1234_5678, 196_500]);
  });
});

test("RequestSlot.claim takes it from one holder only", () => {
  const slot = new RequestSlot(memory, 2);
  slot.holder = Holder.received;
  expect(slot.claim(Holder.fastPath, Holder.receiver)).toBe(false);
  expect(slot.claim(Holder.received, Holder.fastPath)).toBe(true);
  expect(slot.claim(Holder.received, Holder.receiver)).toBe(false);
  expect(slot.holder).toBe(Holder.fastPath);
});

test("RequestSlot cuts a text at the end of a character when it is too long", () => {
  const slot = new RequestSlot(memory, 1);
  for (const character of ["x", "ü", "€", "🐄"]) {
    for (const before of ["", "a", "ab", "abc"]) {
      slot.eventText = before + character.repeat(TEXT_BYTES_MAX);
      const fits = Math.floor((TEXT_BYTES_MAX - before.length) / Buffer.byteLength(character));
      expect(slot.eventText === before + character.repeat(fits)).toBe(true);
    }
  }
});

test("RequestSlot changes no other slot when it is filled to its bounds", () => {
  const three = newMemory(3);
  const bytes = new Uint8Array(memoryAt(three, 3 * SLOT_BYTES)).fill(0xaa);
  const slot = new RequestSlot(three, 1);
  slot.eventText = slot.failure = "€".repeat(TEXT_BYTES_MAX);
  slot.node = slot.name = slot.address = "€".repeat(TEXT_BYTES_MAX);
  slot.kind = slot.outcome = -1;
  slot.micros = -1;
  slot.raw = { height: -1, width: -1, channels: 4, item: "uint16be" };
  slot.setPayload(-1, -1);
  const others = [...bytes.subarray(0, SLOT_BYTES), ...bytes.subarray(2 * SLOT_BYTES)];
  expect(others.every((byte) => byte === 0xaa)).toBe(true);
});

test("RequestSlots gives the same view each time", () => {
  const slots = new RequestSlots(newMemory(2));
  expect(slots.at(1)).toBe(slots.at(1));
  slots.at(0).eventText = "zero";
  slots.at(1).eventText = "one";
  expect([slots.at(0).eventText, slots.at(1).eventText]).toEqual(["zero", "one"]);
});
