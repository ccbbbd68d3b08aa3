import { describe, expect, test } from "bun:test";
import { ArchiveState } from "../../src/http/archive-state.ts";
import { inWords, Kept } from "../../src/http/kept.ts";
import type { KeepReport } from "../../src/shared/messages.ts";

const REPORT: KeepReport = {
  type: "report",
  days: 3,
  firstDay: "2021-09-23",
  images: 10,
  bytes: 1000,
  protectedImages: 1,
  cameras: [],
  bytesPerDay: 100,
  outlook: "never",
  fullInDays: undefined,
  pruned: [],
  minFree: 0,
  isHelpless: false,
  isFutile: false,
  problems: [],
};

test.each([
  [400.9, "400 days"],
  [2, "2 days"],
  [1.99, "47 hours"],
  [0.08, "115 minutes"],
  [1 / 1440, "1 minute"],
])("%p days are %s", (days, words) => {
  expect(inWords(days)).toBe(words);
});

describe("Kept", () => {
  test("has no notices before the first round, nor while all is well", () => {
    const kept = new Kept();
    expect(kept.notices).toEqual([]);
    kept.add(REPORT);
    expect(kept.notices).toEqual([]);
    kept.add({ ...REPORT, fullInDays: 31, outlook: "filling" });
    expect(kept.notices).toEqual([]);
  });

  test("says when the disk will be full, and what is wrong with the rules", () => {
    const kept = new Kept();
    kept.add({ ...REPORT, fullInDays: 6.9, outlook: "filling", problems: ["A rule is off"] });
    expect(kept.notices).toEqual([
      "The disk will be full in 6 days at this week's rate; see keep.min_free",
      "A rule is off",
    ]);
    expect(kept.fullWithin(6)).toBeUndefined();
    expect(kept.fullWithin(7)).toBe(kept.notices[0]);
    kept.add({ ...REPORT, fullInDays: 6.9, outlook: "blocked" });
    expect(kept.notices).toEqual([
      "The disk will be full in 6 days at this week's rate: the rules may not delete enough, as images are too young, protected or not archived, or the rules wait for a person",
    ]);
  });

  test("adds up what is deleted, by reason", () => {
    const kept = new Kept();
    kept.add({ ...REPORT, pruned: [{ reason: "days", count: 3, bytes: 30 }] });
    kept.add(REPORT);
    kept.add({
      ...REPORT,
      pruned: [
        { reason: "days", count: 1, bytes: 10 },
        { reason: "min_free", count: 2, bytes: 5 },
      ],
    });
    expect(Object.fromEntries(kept.pruned)).toEqual({
      days: { count: 4, bytes: 40 },
      min_free: { count: 2, bytes: 5 },
    });
  });
});

test("ArchiveState says what is wrong with the archive, until a round ends well", () => {
  const state = new ArchiveState();
  expect(state.problem).toBeUndefined();
  const round = {
    days: [],
    files: 1,
    bytes: 10,
    mended: 0,
    foreign: 0,
    problems: [],
    isStopped: false,
    isAway: false,
  };
  state.add({ ...round, problems: ["It is not mounted", "x"] });
  expect(state.problem).toBe(
    "The archive has not been up to date since the hub started, less than a minute ago: It is not mounted, and 1 more",
  );
  expect(state.lastGoodMs).toBeUndefined();
  state.add({ ...round, isStopped: true });
  expect(state.lastGoodMs).toBeUndefined();
  const lastGoodMs = Date.now() - 3 * 86_400_000;
  state.add({ ...round, problems: ["It is not mounted"], lastGoodMs });
  expect(state.problem).toBe("The archive has not been up to date for 3 days: It is not mounted");
  state.add(round);
  expect(state).toMatchObject({ problem: undefined, files: 4, bytes: 40 });
  expect(state.lastGoodMs).toBeGreaterThan(0);
});
