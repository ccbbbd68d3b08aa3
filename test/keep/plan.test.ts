import { describe, expect, test } from "bun:test";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";
import { type Plan, plan, type Situation } from "../../src/keep/plan.ts";
import { Rules } from "../../src/keep/rules.ts";

type Keep = Settings["keep"];

/** Days with bytes by camera. */
const held = (days: Readonly<Record<string, Readonly<Record<string, number>>>>) =>
  Object.entries(days).map(([date, cameras]) => ({
    date,
    cameras: Object.entries(cameras).map(([name, bytes]) => ({ name, bytes })),
  }));

const DAYS = held({
  "2021-09-01": { Barn: 10, Gate: 10 },
  "2021-09-02": { Barn: 10, Gate: 10 },
  "2021-09-03": { Barn: 10, Gate: 40 },
  "2021-09-04": { Barn: 10 },
  "2021-09-05": { Barn: 10, Gate: 10 },
});

function decide(keep: Partial<Keep>, situation: Partial<Situation> = {}): Plan {
  const days = situation.days ?? DAYS;
  const bytes = days.flatMap(({ cameras }) => cameras).reduce((sum, each) => sum + each.bytes, 0);
  return plan(new Rules({ ...defaultSettings().keep, ...keep }), {
    days,
    totalBytes: bytes,
    reference: "2021-09-04",
    young: new Set(["2021-09-05"]),
    spared: new Set(),
    uncopied: new Set(),
    missingBytes: 0,
    isUrgentOnly: false,
    ...situation,
  });
}

/** All that is to go, in order. */
const goneIn = ({ deletions }: Plan) => deletions.flatMap(({ candidates }) => candidates);

const all = Number.POSITIVE_INFINITY;
const dates = (...names: string[]) => names.map((date) => ({ date }));

describe("plan", () => {
  test("deletes nothing without a rule", () => {
    expect(decide({})).toMatchObject({ deletions: [], bytes: 0, waiting: [], unmet: [] });
  });

  test("days: those older than so many days, from the date that counts", () => {
    expect(decide({ days: 2 }).deletions).toEqual([
      { reason: "days", candidates: dates("2021-09-01"), bytes: all },
    ]);
    expect(decide({ days: 3 }).deletions).toEqual([]);
  });

  test("days: not those that the hub stores in, whatever their date", () => {
    const spared = new Set(["2021-09-01"]);
    expect(decide({ days: 1 }, { spared }).deletions).toEqual([
      { reason: "days", candidates: dates("2021-09-02"), bytes: all },
    ]);
  });

  test("a day of a clock that was wrong: never too old, and the last to go", () => {
    const days = held({
      "1970-01-01": { Barn: 10 },
      "2021-09-01": { Barn: 10 },
      "2021-09-02": { Barn: 10 },
    });
    expect(decide({ days: 1 }, { days }).deletions).toEqual([
      { reason: "days", candidates: dates("2021-09-01", "2021-09-02"), bytes: all },
    ]);
    expect(decide({}, { days, missingBytes: 25 }).deletions).toEqual([
      {
        reason: "min_free",
        candidates: dates("2021-09-01", "2021-09-02", "1970-01-01"),
        bytes: 25,
      },
    ]);
  });

  test("max_bytes: the oldest days, as much as is over", () => {
    expect(decide({ max_bytes: 95 }).deletions).toEqual([
      { reason: "max_bytes", candidates: dates("2021-09-01", "2021-09-02"), bytes: 25 },
    ]);
    expect(decide({ max_bytes: 120 }).deletions).toEqual([]);
  });

  test("min_free: the oldest days, as much as is missing beyond the other rules", () => {
    expect(decide({}, { missingBytes: 15 }).deletions).toEqual([
      { reason: "min_free", candidates: dates("2021-09-01"), bytes: 15 },
    ]);
    expect(decide({ days: 2 }, { missingBytes: 25 }).deletions).toEqual([
      { reason: "days", candidates: dates("2021-09-01"), bytes: all },
      { reason: "min_free", candidates: dates("2021-09-02"), bytes: 5 },
    ]);
    expect(decide({ days: 2 }, { missingBytes: 20 }).deletions).toHaveLength(1);
  });

  test("counts only what the rules for age and sizes delete", () => {
    expect(decide({ days: 2 }, { missingBytes: 100 }).bytes).toBe(20);
  });

  test("never touches young days, and says that the rule is not kept", () => {
    const found = decide({ max_bytes: 5, days: 1 });
    expect(found.deletions.flatMap(({ candidates }) => candidates)).not.toContainEqual({
      date: "2021-09-05",
    });
    expect(found.unmet).toEqual(["max_bytes"]);
    expect(decide({}, { missingBytes: 1000 }).unmet).toEqual(["min_free"]);
  });

  test("waits for the archive, and says for which days", () => {
    const uncopied = new Set(["2021-09-01", "2021-09-03"]);
    const found = decide({ max_bytes: 95, days: 2 }, { uncopied });
    expect(found).toMatchObject({
      deletions: [{ reason: "max_bytes", candidates: dates("2021-09-02", "2021-09-04") }],
      waiting: ["2021-09-01", "2021-09-03"],
      unmet: [],
    });
  });

  test("cameras: days of their own, in the place of the general ones", () => {
    const cameras = [
      { match: "Ba*n", days: 1, max_bytes: 0 },
      { match: "B*", days: 9, max_bytes: 0 },
      { match: "Gate", days: 30, max_bytes: 0 },
    ];
    expect(decide({ cameras }).deletions).toEqual([
      {
        reason: "cameras.days",
        candidates: [
          { date: "2021-09-01", cameras: ["Barn"] },
          { date: "2021-09-02", cameras: ["Barn"] },
        ],
        bytes: all,
      },
    ]);
    const forever = [{ match: "Barn", days: 0, max_bytes: 0 }];
    expect(decide({ cameras: forever, days: 2 }).deletions).toMatchObject([
      { reason: "days", candidates: [{ date: "2021-09-01", cameras: ["Gate"] }] },
    ]);
    // Each by its own rule, also on the same day.
    const own = [{ match: "Barn", days: 1, max_bytes: 0 }];
    expect(decide({ cameras: own, days: 2 }).deletions).toEqual([
      { reason: "days", candidates: [{ date: "2021-09-01", cameras: ["Gate"] }], bytes: all },
      {
        reason: "cameras.days",
        candidates: [
          { date: "2021-09-01", cameras: ["Barn"] },
          { date: "2021-09-02", cameras: ["Barn"] },
        ],
        bytes: all,
      },
    ]);
    const days = held({ "2021-09-01": { Gate: 1 }, "2021-09-02": { Other: 1 } });
    expect(decide({ cameras, days: 1 }, { days }).deletions).toEqual([
      { reason: "days", candidates: dates("2021-09-02"), bytes: all },
    ]);
  });

  test("cameras: sizes of their own", () => {
    const cameras = [{ match: "Gate", max_bytes: 55 }];
    expect(decide({ cameras }).deletions).toEqual([
      {
        reason: "cameras.max_bytes",
        candidates: [
          { date: "2021-09-01", cameras: ["Gate"] },
          { date: "2021-09-02", cameras: ["Gate"] },
        ],
        bytes: 15,
      },
    ]);
  });

  test("cameras: under pressure, the one furthest over its share loses first", () => {
    const cameras = [{ match: "Barn", max_bytes: 100 }];
    // Gate has 70. Of 100 bytes in all, Barn's own limit leaves nothing for it.
    const found = decide({ cameras, max_bytes: 110 });
    expect(found.deletions).toEqual([
      { reason: "max_bytes", candidates: [{ date: "2021-09-01", cameras: ["Gate"] }], bytes: 10 },
    ]);
    const equal = [{ match: "none", max_bytes: 0 }];
    expect(decide({ cameras: equal }, { missingBytes: 30 }).deletions).toEqual([
      {
        reason: "min_free",
        candidates: [
          { date: "2021-09-01", cameras: ["Gate"] },
          { date: "2021-09-02", cameras: ["Gate"] },
          { date: "2021-09-01", cameras: ["Barn"] },
        ],
        bytes: 30,
      },
    ]);
  });

  test("cameras: an own limit takes no more than is held, and never all", () => {
    const days = held({
      "2021-09-01": { Barn: 100, Gate: 2 },
      "2021-09-02": { Barn: 100, Gate: 2 },
      "2021-09-03": { Barn: 100, Gate: 2 },
      "2021-09-04": { Yard: 30 },
    });
    // Barn's limit is more than there is.
    const barn = [{ match: "Barn", max_bytes: 10_000 }];
    expect(goneIn(decide({ cameras: barn }, { days, missingBytes: 50 }))).toEqual([
      { date: "2021-09-01", cameras: ["Barn"] },
    ]);
    // Both limits together are more than max_bytes, but little of them is used.
    const yards = [
      { match: "Yard", max_bytes: 1000 },
      { match: "Gate", max_bytes: 1000 },
    ];
    expect(goneIn(decide({ cameras: yards, max_bytes: 300 }, { days }))).toEqual([
      { date: "2021-09-01", cameras: ["Barn"] },
    ]);
  });

  test("goes on where it has ended, if a deletion has brought less than it should", () => {
    const found = decide({ max_bytes: 95 });
    const [first] = found.deletions;
    const second = found.more(first!, 15);
    expect(second).toEqual({
      reason: "max_bytes",
      candidates: dates("2021-09-03"),
      bytes: 15,
    });
    expect(found.more(second!, 15)?.candidates).toEqual(dates("2021-09-04"));
    expect(found.more(second!, 15)).toBeUndefined();
    const free = decide({ days: 2 }, { missingBytes: 20 });
    expect(free.free(5)).toMatchObject({ reason: "min_free", candidates: dates("2021-09-02") });
  });

  test("reads a day once for all cameras that go one after the other", () => {
    const days = held({ "2021-09-01": { A: 10, B: 10, C: 10 }, "2021-09-02": { D: 10 } });
    const cameras = [{ match: "none", max_bytes: 0 }];
    expect(decide({ cameras }, { days, missingBytes: 30 }).deletions[0]?.candidates).toEqual([
      { date: "2021-09-01", cameras: ["A", "B", "C"] },
    ]);
  });

  test("is quick for a sender with a counter in its name", () => {
    const names = Array.from({ length: 100_000 }, (_, index) => `Camera-${index}`);
    const days = held({
      "2021-09-01": Object.fromEntries(names.map((name, index) => [name, 10 + (index % 7)])),
      "2021-09-02": { Barn: 10 },
    });
    const cameras = [{ match: "Barn", max_bytes: 100 }];
    const startMs = performance.now();
    decide({ cameras }, { days, missingBytes: 500_000 });
    // By far more than it takes. Before, it took 46 s.
    expect(performance.now() - startMs).toBeLessThan(10_000);
  }, 60_000);

  test("what waits for the archive counts once, also if two limits ask for it", () => {
    const days = held({
      "2021-09-01": { Barn: 50, Gate: 50 },
      "2021-09-02": { Barn: 50, Gate: 50 },
      "2021-09-03": { Barn: 50, Gate: 50 },
    });
    const uncopied = new Set(days.map(({ date }) => date));
    const keep = { max_bytes: 200, cameras: [{ match: "*", max_bytes: 100 }] };
    expect(decide(keep, { days, uncopied }).waitingBytes).toBe(100);
  });

  test("is quick for a thousand days of two hundred cameras", () => {
    const names = Array.from({ length: 200 }, (_, index) => `Camera-${index}`);
    const days = Array.from({ length: 1000 }, (_, index) => ({
      date: new Date(Date.UTC(2019, 0, 1 + index)).toISOString().slice(0, 10),
      cameras: names.map((name) => ({ name, bytes: 40 })),
    }));
    const cameras = [{ match: "Camera-1*", max_bytes: 30_000 }];
    const found = decide({ cameras }, { days, missingBytes: 4_000_000, reference: "2021-09-04" });
    expect(found.deletions.length).toBeGreaterThan(1);
  });
});
