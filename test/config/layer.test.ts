import { describe, expect, test } from "bun:test";
import { errorReason, getAt, guess, setAt, wrongValue } from "../../src/config/layer.ts";

describe("getAt", () => {
  const tree = { hub: { port: 5555, curve: null } };

  test.each<[keys: string[], value: unknown]>([
    [[], tree],
    [["hub", "port"], 5555],
    [["hub", "curve"], null],
    [["hub", "curve", "server_key"], undefined],
    [["hub", "port", "x"], undefined],
    [["none", "port"], undefined],
    // What every object has is no key of it.
    [["hub", "toString"], undefined],
  ])("%j", (keys, value) => {
    expect(getAt(tree, keys)).toEqual(value);
  });
});

test("setAt puts a value into a group that is there, and nowhere else", () => {
  const tree: Record<string, unknown> = { hub: { port: 5555 } };
  setAt(tree, ["hub", "port"], 1);
  setAt(tree, ["other"], 2);
  expect(tree).toEqual({ hub: { port: 1 }, other: 2 });
  expect(() => setAt(tree, ["none", "port"], 1)).toThrow("There is no setting none.port");
});

test("the wording of refusals", () => {
  expect(errorReason(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe(
    "no such file or directory",
  );
  expect(errorReason(Object.assign(new Error("x"), { code: "EIO" }))).toBe("EIO");
  expect([guess(undefined), guess("port")]).toEqual(["", "; did you mean port?"]);
  expect(wrongValue("hub.port", "0", "a port")).toBe("hub.port is 0, must be a port");
  expect(wrongValue("hub.port", "empty", "a port")).toBe("hub.port has no value, must be a port");
});
