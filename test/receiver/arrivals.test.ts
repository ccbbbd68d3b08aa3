import { expect, test } from "bun:test";
import { Arrivals, PER_SECOND } from "../../src/receiver/arrivals.ts";

const addressOf = (at: number): string => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`;

/** How many of so many connections at once may come. */
const taken = (arrivals: Arrivals, address: string, nowMs: number, count = 1000): number =>
  Array.from({ length: count }, () => arrivals.admit(address, nowMs)).filter(Boolean).length;

test("an address has its store at once, then so many a second, and its store again after a while", () => {
  const arrivals = new Arrivals(100);
  expect(taken(arrivals, "10.0.0.7", 5000)).toBe(100);
  expect(taken(arrivals, "10.0.0.7", 5000 + 500)).toBe(PER_SECOND / 2);
  expect(taken(arrivals, "10.0.0.7", 5000 + 1500)).toBe(PER_SECOND);
  expect(taken(arrivals, "10.0.0.7", 5000 + 100_000)).toBe(100);
});

test("a try that fails costs nothing", () => {
  const arrivals = new Arrivals(1);
  expect(taken(arrivals, "10.0.0.7", 0)).toBe(1);
  for (let nowMs = 1; nowMs < 50; nowMs++) expect(arrivals.admit("10.0.0.7", nowMs)).toBe(false);
  expect(arrivals.admit("10.0.0.7", 50)).toBe(true);
});

test.each([
  ["10.0.0.7", "10.0.0.8"],
  ["2001:db8:0:1::7", "2001:db8:0:2::7"],
  ["2001:db8::7", "2001:db9::7"],
  ["::1", "2001:db8::1"],
])("%s and %s have a store each", (one, other) => {
  const arrivals = new Arrivals(10);
  expect([taken(arrivals, one, 0), taken(arrivals, other, 0)]).toEqual([10, 10]);
});

test.each([
  ["2001:db8:0:1::7", "2001:db8:0:1:ffff:ffff:ffff:ffff"],
  ["2001:db8::7", "2001:db8:0:0:1::"],
  ["2001:db8::", "2001:db8::7:0:0:1"],
  ["fe80::1%eth0", "fe80::2%eth0"],
])("%s and %s have one store, as one machine can have both", (one, other) => {
  const arrivals = new Arrivals(10);
  expect([taken(arrivals, one, 0), taken(arrivals, other, 0)]).toEqual([10, 0]);
});

test("no more addresses are remembered than there is room for, and those that came last are", () => {
  const arrivals = new Arrivals(1);
  for (let at = 0; at < 10_000; at++) expect(arrivals.admit(addressOf(at), 0)).toBe(true);
  expect(arrivals.admit(addressOf(9999), 0)).toBe(false);
  expect(arrivals.admit(addressOf(0), 0)).toBe(true);
  expect((Reflect.get(arrivals, "buckets") as Map<string, unknown>).size).toBeLessThanOrEqual(4096);
});
