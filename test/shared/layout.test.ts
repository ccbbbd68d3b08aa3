import { expect, test } from "bun:test";
import { layOut, LINE_INTS } from "../../src/shared/layout.ts";
import {
  createShared,
  DATE_FOLDERS_INTS,
  Integer,
  RECEIVER_THREAD,
  ThreadInteger,
  threadIntegersAt,
} from "../../src/shared/memory.ts";

test("layOut begins each line of fields on a cache line", () => {
  const { at, length } = layOut([{ a: 1 }, { b: 1, c: 3, d: 1 }, { e: 17 }, { f: 1 }]);
  expect(at).toEqual({ a: 0, b: 16, c: 17, d: 20, e: 32, f: 64 });
  expect(length).toBe(80);
});

test("layOut takes whole lines where they are full, too", () => {
  expect(layOut([{ a: LINE_INTS }, { b: 1 }]).at.b).toBe(LINE_INTS);
  expect(layOut([{ a: LINE_INTS }]).length).toBe(LINE_INTS);
});

test("layOut refuses a name that stands in two lines", () => {
  expect(() => layOut([{ a: 1 }, { a: 1 }])).toThrow("Integers are laid out twice: a");
});

test("the shared integers end with those of the last thread, which share no line", () => {
  const { integers } = createShared(1);
  expect(threadIntegersAt(RECEIVER_THREAD + 1)).toBe(integers.length);
  expect(threadIntegersAt(0) % LINE_INTS).toBe(0);
  for (const at of Object.values(ThreadInteger)) expect(at).toBeLessThan(LINE_INTS);
  expect(threadIntegersAt(1) - threadIntegersAt(0)).toBe(LINE_INTS);
});

test("the records of date folders have their room to themselves", () => {
  const others = Object.values(Integer).filter((at) => at > Integer.dateFolders);
  expect(Math.min(...others)).toBeGreaterThanOrEqual(Integer.dateFolders + DATE_FOLDERS_INTS);
});
