import { expect, test } from "bun:test";
import { bytesIn, bytesOfDisk, perCentIn } from "../../src/config/quantity.ts";

test.each([
  ["0", 0],
  [500_000, 500_000],
  ["200 GB", 200e9],
  ["200GB", 200e9],
  ["1.5 TB", 1.5e12],
  [" 3 MB ", 3e6],
  ["64 GiB", 64 * 2 ** 30],
  ["2 KiB", 2048],
  ["2 kB", 2000],
])("%p is so many bytes", (quantity, bytes) => {
  expect(bytesIn(quantity)).toBe(bytes);
});

test.each(["", "GB", "-1", "1e9", "1,5 GB", "5 %", "3 PB", "2 constructor", "99999999 TB", "١ GB"])(
  "%p is no number of bytes",
  (quantity) => {
    expect(bytesIn(quantity)).toBeUndefined();
  },
);

test("a part of a disk", () => {
  expect(bytesOfDisk("5 %", 64e9)).toBe(3.2e9);
  expect(bytesOfDisk("2.5%", 1000)).toBe(25);
  expect(bytesOfDisk("20 GB", 64e9)).toBe(20e9);
  expect(bytesOfDisk("100 %", 64e9)).toBeUndefined();
  expect(perCentIn("99.9 %")).toBe(99.9);
});
