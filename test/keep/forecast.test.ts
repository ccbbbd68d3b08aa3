import { describe, expect, test } from "bun:test";
import { noImages } from "../../src/catalog/summary.ts";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";
import { deletable } from "../../src/keep/decision.ts";
import { type Forecast, forecast, type Prospects } from "../../src/keep/forecast.ts";
import type { Holdings } from "../../src/keep/holdings.ts";
import { daysAfter } from "../../src/protocol/calendar.ts";

const TODAY = "2021-09-25";
const MB = 1e6;

/** So many days before today, each with 1 MB of Barn and 2 MB of Gate, some protected. */
function held(count: number, protectedDays = 0): Holdings {
  const cameras = [
    { name: "Barn", images: 10, bytes: MB },
    { name: "Gate", images: 20, bytes: 2 * MB },
  ];
  const days = Array.from({ length: count }, (_, index) => {
    const date = daysAfter(TODAY, index - count);
    const day = { ...noImages(date), images: 30, bytes: 3 * MB, cameras };
    return { ...day, free: index < protectedDays ? noImages(date) : day };
  });
  const bytes = count * 3 * MB;
  const freeBytes = bytes - protectedDays * 3 * MB;
  return { days, images: count * 30, bytes, freeBytes, problems: [] };
}

interface Case {
  readonly days?: number;
  readonly freeMB?: number;
  readonly protectedDays?: number;
  readonly areWaiting?: boolean;
  /** With an archive: how many of the days it has, the earliest first, and what is wrong. */
  readonly archive?: { readonly has: number; readonly problem?: string };
}

/** On a disk of 60 MB, with 8 days (24 MB) and 9 MB free unless the case says otherwise. */
function look(keep: Partial<Settings["keep"]>, one: Case = {}): Forecast {
  const { days = 8, freeMB = 9, protectedDays = 0, areWaiting = false, archive } = one;
  const holdings = held(days, protectedDays);
  const settings = { ...defaultSettings().keep, ...keep };
  const seen = { today: TODAY, confirmed: undefined, storedLastHour: [], storedLastDay: [] };
  const dates = new Set(holdings.days.slice(0, archive?.has).map(({ date }) => date));
  const copies = archive && { dates, problem: archive.problem, afterDays: 1 };
  const prospects: Prospects = {
    keep: settings,
    holdings,
    space: { freeBytes: freeMB * MB, sizeBytes: 60 * MB, freeFiles: 0, sizeFiles: 0 },
    today: TODAY,
    areWaiting,
    ...deletable({ seen, copies }, settings, holdings),
  };
  return forecast(prospects);
}

const NEVER = { outlook: "never", fullInDays: undefined } as const;
const all = [{ match: "*", max_bytes: 12 * MB }];

describe("forecast", () => {
  test("knows nothing before a day is over", () => {
    const outcome = { bytesPerDay: 0, outlook: "unknown", fullInDays: undefined } as const;
    expect(look({}, { days: 0 })).toEqual(outcome);
    expect(look({ min_free: "20 %" }, { days: 0 })).toEqual(outcome);
  });

  test("goes by the room that is left, without rules", () => {
    expect(look({})).toEqual({ bytesPerDay: 3 * MB, outlook: "filling", fullInDays: 3 });
  });

  test.each([
    ["min_free", { min_free: "10 %" }],
    ["max_bytes", { max_bytes: 30 * MB }],
    ["days", { days: 8 }],
    ["limits of all cameras", { cameras: all }],
    ["days of all cameras", { days: 30, cameras: [{ match: "*", days: 6, max_bytes: 0 }] }],
  ])("%s keeps the disk from filling", (_, keep) => {
    expect(look(keep)).toMatchObject(NEVER);
  });

  test.each([
    ["days that take more than the disk has", { days: 30 }],
    ["a size that the disk does not have", { max_bytes: 34 * MB }],
    ["limits of some cameras", { cameras: [{ match: "Gate", max_bytes: 12 * MB }] }],
    ["limits of cameras that are too large", { cameras: [{ match: "*", max_bytes: 17 * MB }] }],
    [
      "a camera whose days have no limit",
      { days: 4, cameras: [{ match: "Barn", days: 0, max_bytes: 0 }] },
    ],
  ])("%s do not", (_, keep) => {
    expect(look(keep)).toMatchObject({ outlook: "filling", fullInDays: 3 });
  });

  test("min_days can keep min_free from deleting", () => {
    expect(look({ min_free: "20 %", min_days: 30 })).toMatchObject({
      outlook: "blocked",
      fullInDays: 3,
    });
    expect(look({ min_free: "20 %", min_days: 10 })).toMatchObject(NEVER);
  });

  test("what may still be deleted counts as room", () => {
    const keep = { min_free: "20 %", min_days: 30 };
    expect(look(keep, { days: 40, freeMB: 9 })).toMatchObject(NEVER);
    // Of 40 days, the archive has ten. It takes no more, so these ten are all that may go.
    const archive = { has: 10, problem: "It is away" };
    expect(look(keep, { days: 40, freeMB: 9, archive })).toMatchObject({
      outlook: "blocked",
      fullInDays: 13,
    });
  });

  test("an archive that is away or behind keeps all rules from deleting", () => {
    const keep = { min_free: "20 %" };
    expect(look(keep, { archive: { has: 8 } })).toMatchObject(NEVER);
    const away = { has: 0, problem: "It is away" };
    expect(look(keep, { archive: away })).toMatchObject({ outlook: "blocked", fullInDays: 3 });
    expect(look(keep, { archive: { has: 7 } })).toMatchObject(NEVER);
    expect(look(keep, { archive: { has: 6 } })).toMatchObject({
      outlook: "blocked",
      fullInDays: 9,
    });
  });

  test("protected images stay", () => {
    expect(look({ min_free: "20 %" }, { protectedDays: 6 })).toMatchObject(NEVER);
    const isAll = { days: 8, protectedDays: 8, freeMB: 2 };
    expect(look({ min_free: "20 %" }, isAll)).toMatchObject({ outlook: "blocked" });
  });

  test("rules that wait for a person do not count, but min_free does", () => {
    expect(look({ days: 6 }, { areWaiting: true })).toMatchObject({ outlook: "filling" });
    expect(look({ min_free: "5 %" }, { areWaiting: true })).toMatchObject(NEVER);
  });
});
