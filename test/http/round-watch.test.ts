import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { ArchiveState } from "../../src/http/archive-state.ts";
import { Kept } from "../../src/http/kept.ts";
import { RoundWatch } from "../../src/http/round-watch.ts";

let now: ReturnType<typeof spyOn<Performance, "now">>;

beforeEach(() => {
  now = spyOn(performance, "now");
});

afterEach(() => {
  now.mockRestore();
});

test("RoundWatch knows a round that has said nothing for a minute", () => {
  const watch = new RoundWatch();
  now.mockReturnValue(1000);
  expect([watch.isBusy, watch.isSilent]).toEqual([false, false]);
  watch.heard();
  now.mockReturnValue(61_000);
  expect([watch.isBusy, watch.isSilent]).toEqual([true, false]);
  now.mockReturnValue(61_001);
  expect([watch.isBusy, watch.isSilent]).toEqual([true, true]);
  watch.heard();
  expect(watch.isSilent).toBe(false);
  watch.end();
  now.mockReturnValue(1e9);
  expect([watch.isBusy, watch.isSilent]).toEqual([false, false]);
});

test("a round that hangs is told by what is kept, and by the archive", () => {
  const [kept, archive] = [new Kept(), new ArchiveState()];
  now.mockReturnValue(1000);
  kept.watch.heard();
  archive.watch.heard();
  expect([kept.notices, archive.problem]).toEqual([[], undefined]);
  now.mockReturnValue(100_000);
  expect(kept.notices).toEqual([expect.stringContaining("a disk does not respond")]);
  expect(archive.problem).toContain("Its disk does not respond");
});
