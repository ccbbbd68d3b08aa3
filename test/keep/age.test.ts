import { describe, expect, test } from "bun:test";
import { ClockHistory, referenceDate, youngDays } from "../../src/keep/age.ts";
import type { SeenDays } from "../../src/shared/messages.ts";

const HOUR = 3_600_000;
const none = new Map<string, number>();
const seen = (part: Partial<SeenDays>): SeenDays => ({
  today: "2021-09-25",
  confirmed: undefined,
  storedLastHour: [],
  storedLastDay: [],
  ...part,
});

describe("the date that counts", () => {
  test("is one that the clock has shown for a day", () => {
    const history = new ClockHistory(0);
    expect(history.look(0, "2021-09-20", none).confirmed).toBeUndefined();
    expect(history.look(23 * HOUR, "2021-09-21", none).confirmed).toBeUndefined();
    expect(history.look(24 * HOUR, "2021-09-21", none).confirmed).toBe("2021-09-20");
    expect(history.look(46 * HOUR, "2021-09-22", none).confirmed).toBe("2021-09-20");
    expect(history.look(47 * HOUR, "2021-09-22", none).confirmed).toBe("2021-09-21");
  });

  test("is not that of a clock that is a day ahead, and set back", () => {
    const history = new ClockHistory(0);
    for (let hour = 0; hour < 10; hour++) history.look(hour * HOUR, "2021-09-20", none);
    for (let hour = 10; hour < 20; hour++) {
      history.look(hour * HOUR, "2021-09-21", none);
    }
    for (let hour = 20; hour < 60; hour++) {
      const { confirmed } = history.look(hour * HOUR, "2021-09-20", none);
      if (hour >= 24) expect(confirmed).toBe("2021-09-20");
    }
  });

  test("is that of the latest folder but one after a start, and never after today", () => {
    const dates = ["2021-09-20", "2021-09-24", "2021-09-25"];
    expect(referenceDate(seen({}), dates)).toBe("2021-09-24");
    expect(referenceDate(seen({}), dates.slice(0, 2))).toBe("2021-09-24");
    expect(referenceDate(seen({ today: "2021-09-26" }), dates)).toBe("2021-09-25");
    expect(referenceDate(seen({}), ["2038-01-01", "2038-01-02"])).toBe("2021-09-25");
    expect(referenceDate(seen({}), [])).toBe("2021-09-25");
    expect(referenceDate(seen({ confirmed: "2021-09-22" }), dates)).toBe("2021-09-22");
  });
});

describe("days that no rule touches", () => {
  const dates = ["2021-09-10", "2021-09-11", "2021-09-24", "2021-09-25"];

  test("are the latest ones of the calendar, and as many with images", () => {
    expect([...youngDays(seen({}), dates, 1)]).toEqual(["2021-09-25"]);
    expect([...youngDays(seen({}), dates, 2)]).toEqual(["2021-09-24", "2021-09-25"]);
    // The clock is far ahead.
    expect([...youngDays(seen({ today: "2031-01-01" }), dates, 1)]).toEqual(["2021-09-25"]);
    expect([...youngDays(seen({}), dates, 0)]).toEqual([]);
  });

  test("are not yesterday, whose last image came before midnight", () => {
    const after = seen({ storedLastHour: ["2021-09-24", "2021-09-25"] });
    expect([...youngDays(after, dates, 1)]).toEqual(["2021-09-25"]);
  });

  test("are those that the hub has stored in within the hour", () => {
    const history = new ClockHistory(0);
    history.look(0, "2021-09-25", new Map([["1970-01-01", 1]]));
    const soon = history.look(0.9 * HOUR, "2021-09-25", new Map([["1970-01-01", 1]]));
    expect(soon).toMatchObject({ storedLastHour: ["1970-01-01"], storedLastDay: ["1970-01-01"] });
    expect(youngDays(soon, ["1970-01-01", ...dates], 1)).toContain("1970-01-01");
    const later = history.look(1.1 * HOUR, "2021-09-25", new Map([["1970-01-01", 1]]));
    expect(later).toMatchObject({ storedLastHour: [], storedLastDay: ["1970-01-01"] });
    const again = history.look(2 * HOUR, "2021-09-25", new Map([["1970-01-01", 2]]));
    expect(again.storedLastHour).toEqual(["1970-01-01"]);
    expect(history.look(26 * HOUR, "2021-09-26", none).storedLastDay).toEqual([]);
  });
});
