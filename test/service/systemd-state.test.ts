import { expect, test } from "bun:test";
import { timeMs } from "../../src/service/systemd-state.ts";

test("timeMs reads a time as systemctl shows it, and 0 where there is none", () => {
  expect(timeMs("Tue 2026-11-24 20:53:01.123456 UTC")).toBe(Date.UTC(2026, 10, 24, 20, 53, 1, 123));
  expect(timeMs("")).toBe(0);
  expect(timeMs("n/a")).toBe(0);
});
