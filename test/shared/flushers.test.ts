import { expect, test } from "bun:test";
import { Flushers } from "../../src/shared/flushers.ts";
import { createShared } from "../../src/shared/memory.ts";
import { FLUSHERS_MAX } from "../../src/limits.ts";

const ALL = [...Array(FLUSHERS_MAX).keys()];

test("Flushers tell each flusher once that something was written", () => {
  const flushers = new Flushers(createShared(1));
  const asked = () => ALL.map((flusher) => flushers.askWritten(flusher));
  expect(asked()).toEqual([false, false]);
  flushers.written();
  flushers.written();
  expect(asked()).toEqual([true, true]);
  expect(asked()).toEqual([false, false]);
});

test("Flushers tell the one again that could not flush", () => {
  const flushers = new Flushers(createShared(1));
  flushers.written();
  expect(flushers.askWritten(1)).toBe(true);
  flushers.notFlushed(1);
  expect(ALL.map((flusher) => flushers.askWritten(flusher))).toEqual([true, true]);
  flushers.notFlushed(1);
  expect(ALL.map((flusher) => flushers.askWritten(flusher))).toEqual([false, true]);
});

test("Flushers wait until they are to end", () => {
  const shared = createShared(1);
  const flushers = new Flushers(shared);
  expect(flushers.waitForEnd(1)).toBe(false);
  new Flushers(shared).end();
  expect(flushers.waitForEnd(60_000)).toBe(true);
});
