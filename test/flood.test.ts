import { expect, test } from "bun:test";
import { FloodGate } from "../src/flood.ts";

test("admit lets the first through at once and then one a second with the count since", () => {
  const gate = new FloodGate();
  const counts = [0, 1, 500, 999, 1000, 1001, 1999, 2000, 9000].map((nowMs) => gate.admit("a", nowMs));
  expect(counts).toEqual([1, 0, 0, 0, 4, 0, 0, 3, 1]);
});

test("admit tells keys apart", () => {
  const gate = new FloodGate();
  expect(["a", "b", "a", "b", "c"].map((key) => gate.admit(key, 0))).toEqual([1, 1, 0, 0, 1]);
  expect([gate.admit("b", 1000), gate.admit("a", 1500)]).toEqual([2, 2]);
});

test("flush gives what was held back once its second is over", () => {
  const gate = new FloodGate();
  gate.admit("a", 0);
  expect(gate.pending).toBe(false);
  gate.admit("a", 10);
  gate.admit("a", 20);
  gate.admit("b", 500);
  gate.admit("b", 600);
  expect(gate.pending).toBe(true);
  expect(gate.flush(999)).toEqual([]);
  expect(gate.flush(1000)).toEqual([["a", 2]]);
  expect(gate.pending).toBe(true);
  // The flushed line was a line: the next one waits for its second.
  expect(gate.admit("a", 1001)).toBe(0);
  expect(gate.flush(1500)).toEqual([["b", 1]]);
  expect(gate.flush(2000)).toEqual([["a", 1]]);
  expect(gate.pending).toBe(false);
  expect(gate.flush(9000)).toEqual([]);
});

test("pending is over when the next occurrence takes the count with it", () => {
  const gate = new FloodGate();
  gate.admit("a", 0);
  gate.admit("a", 1);
  expect(gate.admit("a", 1000)).toBe(2);
  expect(gate.pending).toBe(false);
});

test("admit begins a new second when the clock steps back", () => {
  const gate = new FloodGate();
  gate.admit("a", 10_000);
  gate.admit("a", 10_001);
  expect(gate.admit("a", 5)).toBe(2);
  expect(gate.admit("a", 6)).toBe(0);
});

test("admit counts the keys beyond the bound as one", () => {
  const gate = new FloodGate(2);
  const counts = ["a", "b", "c", "d", "e", "a"].map((key) => gate.admit(key, 0));
  expect(counts).toEqual([1, 1, 1, 0, 0, 0]);
  expect(gate.flush(1000)).toEqual([
    ["a", 1],
    [FloodGate.OTHERS, 2],
  ]);
});

test("admit forgets keys that fell silent when the bound is reached", () => {
  const gate = new FloodGate(2);
  gate.admit("a", 0);
  gate.admit("b", 500);
  expect(gate.admit("c", 1000)).toBe(1);
  expect(gate.admit("c", 1001)).toBe(0);
  // b was still in its second at the last look, and there is one look a second.
  expect([gate.admit("d", 1600), gate.admit("e", 1600), gate.admit("f", 2000)]).toEqual([1, 0, 1]);
});

test("admit and flush together account for every occurrence when keys and times are random", () => {
  let state = 12_345;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state % below;
  };
  const gate = new FloodGate(16);
  let nowMs = 0;
  let told = 0;
  const occurrences = 20_000;
  for (let index = 0; index < occurrences; index++) {
    nowMs += random(40);
    told += gate.admit(`key ${random(64)}`, nowMs);
    if (random(100) === 0) for (const [, count] of gate.flush(nowMs)) told += count;
  }
  expect(told).toBeLessThan(occurrences);
  for (const [, count] of gate.flush(nowMs + 1000)) told += count;
  expect(told).toBe(occurrences);
  expect(gate.pending).toBe(false);
});
