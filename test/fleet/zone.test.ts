import { expect, test } from "bun:test";
import { Zone } from "../../src/fleet/zone.ts";

const SUMMER = Date.UTC(2021, 6, 1, 22, 30, 15, 123);

test.each([
  ["Europe/Berlin", "2021-07-02T00:30:15.123000"],
  ["America/New_York", "2021-07-01T18:30:15.123000"],
  ["Asia/Kolkata", "2021-07-02T04:00:15.123000"],
  ["Etc/GMT+1", "2021-07-01T21:30:15.123000"],
])("an instant in %s is %s", (name, local) => {
  const zone = new Zone(name);
  expect(zone.at(SUMMER)).toBe(local);
  const micros = Date.parse(`1970-01-01T${local.slice(11, 23)}Z`) * 1000;
  expect(zone.instantOf(local.slice(0, 10), micros)).toBe(SUMMER);
});

test("a time after the clocks were changed is the right instant", () => {
  const zone = new Zone("Europe/Berlin");
  // From 3 to 2 o'clock in the night before.
  expect(zone.instantOf("2021-10-31", 12 * 3600e6)).toBe(Date.UTC(2021, 9, 31, 11));
  expect(zone.instantOf("2021-10-31", 1 * 3600e6)).toBe(Date.UTC(2021, 9, 30, 23));
});

test("a zone that is not known is that of this machine", () => {
  expect(new Zone("Nowhere/Town").name).toBe(new Zone(undefined).name);
});
