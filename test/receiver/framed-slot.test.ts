import { expect, test } from "bun:test";
import { TEXT_BYTES_MAX } from "../../src/limits.ts";
import { mapMemory } from "../../src/os/memory.ts";
import { FramedSlot, FramedSlots, HOPS_MAX } from "../../src/receiver/framed-slot.ts";
import { SLOT_BYTES } from "../../src/shared/request-slot.ts";

test("FramedSlot keeps its frames apart from all texts", () => {
  const slot = new FramedSlot(mapMemory(SLOT_BYTES), 0);
  slot.initFrames();
  const frames = [slot.routingId, slot.header, slot.payload, slot.hop(0), slot.hop(HOPS_MAX - 1)];
  for (const frame of frames) expect(frame.size).toBe(0);
  slot.eventText = slot.failure = "€".repeat(TEXT_BYTES_MAX);
  slot.node = slot.name = slot.address = "€".repeat(TEXT_BYTES_MAX);
  for (const frame of frames) expect(frame.size).toBe(0);
});

test("FramedSlots gives the same view each time, and prepares its frames once", () => {
  const slots = new FramedSlots(mapMemory(2 * SLOT_BYTES), true);
  expect(slots.at(1)).toBe(slots.at(1));
  expect(slots.at(1).hop(HOPS_MAX - 1).size).toBe(0);
});
