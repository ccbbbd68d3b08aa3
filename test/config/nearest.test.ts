import { expect, test } from "bun:test";
import { nearest } from "../../src/config/nearest.ts";

const KNOWN = ["queuemax", "port", "bind", "ack", "max_images_write", "log_level", "log_format"];

const table: [name: string, guess: string | undefined][] = [
  ["quemax", "queuemax"],
  ["queueMax", "queuemax"],
  ["queue", "queuemax"],
  ["prot", "port"],
  ["PORTS", "port"],
  ["acks", "ack"],
  ["max_images", "max_images_write"],
  ["loglevel", "log_level"],
  ["logformat", "log_format"],
  ["colour", undefined],
  ["", undefined],
  ["x".repeat(100_000), undefined],
];
test.each(table)("nearest guesses when the name is %p", (name, guess) => {
  expect(nearest(name, KNOWN)).toBe(guess);
});
