import { expect, test } from "bun:test";
import { checkZmqVersion, zmqVersion } from "../../src/zmq/library.ts";

test("zmqVersion tells the version of the library that the package holds", () => {
  expect(zmqVersion()).toMatch(/^4\.\d+\.\d+$/);
  expect(() => checkZmqVersion()).not.toThrow();
});
