import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  mkdirSync,
  linkSync,
  renameSync,
  rmSync,
} from "node:fs";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";
import { type Copies, inAll } from "../../src/keep/copies.ts";
import { type Round, type RoundParts, runRound } from "../../src/keep/round.ts";
import { daysAfter } from "../../src/protocol/calendar.ts";
import type { SeenDays } from "../../src/shared/messages.ts";
import { DataDirectoryGone } from "../../src/store/data-guard.ts";
import { type DataDirectory, Part } from "../../src/store/data-directory.ts";
import { Later } from "../support/machine/later.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { addImage, dataDirectory, datesOf, namesOf } from "../support/store/days.ts";

const TODAY = "2021-09-25";
/** An archive, as deleting asks for it. */
const ARCHIVE = {
  needs: "archived (archive.required)",
  afterDays: 1,
  lacks: (date: string) =>
    `the archive has this day, but not what is here; see imagehub archive ${date}`,
};

const ALL = ["2021-09-21", "2021-09-22", "2021-09-23", "2021-09-24", TODAY];

let temp: TempDir;
let directory: DataDirectory;
let events: string[];

beforeEach(() => {
  temp = tempDir();
  directory = dataDirectory(temp.path);
  events = [];
});

afterEach(() => {
  temp[Symbol.dispose]();
});

async function round(
  keep: Partial<Settings["keep"]>,
  options: Partial<Omit<RoundParts, "seen">> & { readonly seen?: Partial<SeenDays> } = {},
): Promise<Round> {
  const { seen, ...parts } = options;
  const settings = defaultSettings();
  return await runRound({
    directory,
    settings: { keep: { ...settings.keep, ...keep } },
    check: () => undefined,
    seen: {
      today: TODAY,
      confirmed: undefined,
      storedLastHour: [],
      storedLastDay: [],
      ...seen,
    },
    isFutile: false,
    storedBytes: () => 0,
    until: { date: TODAY, micros: 12 * 3600 * 1e6 },
    copies: undefined,
    isForced: false,
    isRehearsal: false,
    shouldStop: () => false,
    appendEvent: (text) => events.push(text),
    ...parts,
  });
}

/** An event log on a full disk. */
function takesNothing(): never {
  throw new Error("no space left");
}

/** The logs have got another disk. */
function refusesLogs(part: Part): void {
  if (part === Part.logs) throw new DataDirectoryGone("another disk");
}

/** Four images of 1,000 bytes on each of five days. */
function fill(): void {
  for (const date of ALL)
    for (const time of ["01:00", "10:00", "10:30", "20:00"]) addImage(directory, date, time);
}

describe("a round", () => {
  test("deletes nothing without rules", async () => {
    fill();
    addImage(directory, "1999-01-01", "10:00");
    const { pruned, problems, holdings } = await round({});
    expect([pruned, problems, holdings.images]).toEqual([[], [], 21]);
    expect(events).toEqual([]);
  });

  test("deletes days that are too old, a day later than the clock says", async () => {
    fill();
    // 2021-09-21 ended four days ago today; that was three days ago by the date that counts.
    expect((await round({ days: 3 })).pruned).toEqual([]);
    const { pruned, holdings } = await round({ days: 2 });
    expect(pruned).toMatchObject([{ reason: "days", count: 4, ranges: [{ from: "2021-09-21" }] }]);
    expect(holdings.images).toBe(16);
    expect(datesOf(directory)).toEqual(ALL.slice(1));
    expect(events).toEqual(["Pruned 1 day, 4 images, 4.0 kB: days (2021-09-21)"]);
    expect(existsSync(`${directory.own}/pruning.json`)).toBe(false);
  });

  test("holds all images to a size, by the hour", async () => {
    fill();
    const { pruned } = await round({ max_bytes: 16_500 });
    expect(pruned).toMatchObject([{ reason: "max_bytes", bytes: 4000, until: undefined }]);
    expect((await round({ max_bytes: 15_900 })).pruned).toMatchObject([
      { count: 1, until: "02:00" },
    ]);
    expect((await round({ max_bytes: 15_900 })).pruned).toEqual([]);
  });

  test("deletes nothing for a clock that is a day ahead", async () => {
    fill();
    addImage(directory, "2021-09-26", "00:10");
    // By this clock the images of the 21st would be four days old. In truth they may be three.
    const seen = { today: "2021-09-26" };
    expect((await round({ days: 4 }, { seen })).pruned).toEqual([]);
    expect((await round({ days: 4 }, { seen: { ...seen, confirmed: TODAY } })).pruned).toEqual([]);
    const tomorrow = { ...seen, confirmed: "2021-09-26" };
    expect((await round({ days: 4 }, { seen: tomorrow })).pruned).toMatchObject([
      { ranges: [{ from: "2021-09-21" }] },
    ]);
  });

  test("deletes little for a clock that is years ahead, and asks a person", async () => {
    fill();
    const seen = { today: "2038-01-02", confirmed: "2038-01-01" };
    const { pruned, problems, needsForce } = await round({ days: 3 }, { seen });
    expect(pruned).toEqual([]);
    expect(needsForce).toBe(true);
    expect(problems).toEqual([
      "The rules would delete 80 % of all unprotected images at once: nothing is deleted until you run imagehub prune --force, or change the rules",
    ]);
    // The latest day with images stays whatever the clock says.
    await round({ days: 3 }, { seen, isForced: true });
    expect(datesOf(directory)).toEqual([TODAY]);
  });

  test("does not delete for its age what was stored a moment ago under a wrong date", async () => {
    fill();
    addImage(directory, "1970-01-01", "10:00");
    const seen = { storedLastDay: ["1970-01-01"], storedLastHour: [] };
    expect((await round({ days: 3 }, { seen })).pruned).toEqual([]);
    await round({ days: 3 });
    expect(datesOf(directory)).toContain("1970-01-01");
    addImage(directory, "2018-01-01", "10:00");
    expect((await round({ days: 3 }, { seen: { storedLastDay: ["2018-01-01"] } })).pruned).toEqual(
      [],
    );
    expect((await round({ days: 3 })).pruned).toMatchObject([{ ranges: [{ from: "2018-01-01" }] }]);
  });

  test("an empty folder is no day: the latest days with images stay", async () => {
    fill();
    mkdirSync(directory.dateFolder("2038-01-01"));
    const seen = { today: "2038-01-02", confirmed: "2038-01-01" };
    await round({ days: 3, min_days: 1 }, { seen, isForced: true });
    expect(datesOf(directory)).toContain(TODAY);
  });

  test("does not believe a limit that is less than one day", async () => {
    fill();
    const { pruned, problems } = await round({
      max_bytes: 2000,
      cameras: [{ match: "Ba*", max_bytes: "3 kB" }],
    });
    expect(pruned).toEqual([]);
    expect(problems).toEqual([
      "keep.max_bytes is 2.0 kB, but one day has 4.0 kB (2021-09-22): this limit is off until you raise it",
      "keep.cameras.max_bytes of Ba* is 3.0 kB, but one day has 4.0 kB (2021-09-22): this limit is off until you raise it",
    ]);
  });

  test("a limit of cameras is compared with days of those that it is for", async () => {
    fill();
    // The first entry that matches counts, so the second one is for no camera here.
    const cameras = [
      { match: "Ba*", max_bytes: "18 kB" },
      { match: "*", max_bytes: "3 kB" },
    ];
    const { pruned, problems } = await round({ cameras });
    expect(problems).toEqual([]);
    expect(pruned).toMatchObject([{ reason: "cameras.max_bytes", count: 3 }]);
  });

  test("counts the files again before it believes a summary", async () => {
    using _ = new Later();
    fill();
    await round({});
    const file = `${directory.own}/days.json`;
    // As if each day were larger: then less than half were too much.
    writeFileSync(file, readFileSync(file, "utf8").replaceAll('"bytes":4000', '"bytes":8000'));
    expect((await round({ max_bytes: 30_000 })).pruned).toEqual([]);
    expect(datesOf(directory)).toEqual(ALL);
  });

  test("counts protected images, and leaves them", async () => {
    fill();
    const [name] = namesOf(directory, "2021-09-21");
    mkdirSync(directory.keptFolder("2021-09-21"), { recursive: true });
    linkSync(
      `${directory.dateFolder("2021-09-21")}/${name}`,
      `${directory.keptFolder("2021-09-21")}/${name}`,
    );
    const { pruned, holdings } = await round({ days: 2 });
    expect(pruned).toMatchObject([{ count: 3 }]);
    expect(namesOf(directory, "2021-09-21")).toEqual([name!]);
    expect(holdings.days[0]).toMatchObject({ images: 1, free: { images: 0 } });
    expect((await round({ days: 2 })).pruned).toEqual([]);
  });

  test("waits for the archive", async () => {
    fill();
    const copies: Copies = {
      ...ARCHIVE,
      problem: "The archive is not mounted",
      dates: new Set(["2021-09-21"]),
      has: () => (name) => !name.includes("T01"),
      hasLog: () => false,
    };
    const { pruned, problems } = await round({ days: 1 }, { copies });
    expect(pruned).toMatchObject([{ reason: "days", count: 3, ranges: [{ from: "2021-09-21" }] }]);
    expect(namesOf(directory, "2021-09-21")).toHaveLength(1);
    expect(problems).toEqual([
      "1 day due to be deleted must be archived (archive.required) first: The archive is not mounted",
      "Cannot delete 1 image of 2021-09-21: the archive has this day, but not what is here; see imagehub archive 2021-09-21",
    ]);
  });

  test("waits for the archive and for another place", async () => {
    fill();
    const archive: Copies = {
      ...ARCHIVE,
      problem: undefined,
      dates: new Set(ALL),
      has: () => (name) => !name.includes("T01"),
      hasLog: () => true,
    };
    const other: Copies = {
      needs: "replicated (replicate.required)",
      problem: "It is away",
      dates: new Set(["2021-09-21"]),
      afterDays: 0,
      has: async () => await Promise.resolve(async (name: string) => !name.includes("T20")),
      hasLog: async () => await Promise.resolve(false),
      lacks: () => "it is not there",
    };
    const { pruned, problems } = await round({ days: 1 }, { copies: inAll([archive, other]) });
    expect(pruned).toMatchObject([{ count: 2, ranges: [{ from: "2021-09-21" }] }]);
    expect(namesOf(directory, "2021-09-21")).toHaveLength(2);
    expect(problems[0]).toBe(
      "1 day due to be deleted must be archived (archive.required) and replicated (replicate.required) first: It is away",
    );
    expect(inAll([undefined, archive])).toBe(archive);
    expect(inAll([undefined])).toBeUndefined();
  });

  test("deletes event logs that are too old", async () => {
    fill();
    const dates = ["2021-09-19", "2021-09-20", "2021-09-22", "2021-09-23", "2021-09-24"];
    for (const date of dates) writeFileSync(`${directory.eventLog}.${date}`, "0123456789");
    writeFileSync(`${directory.eventLog}.2021-09-19.gz`, "");
    writeFileSync(directory.eventLog, "");
    expect((await round({})).pruned).toEqual([]);
    expect((await round({ event_days: 0 })).pruned).toEqual([]);
    expect((await round({ event_days: 3 })).pruned).toMatchObject([{ count: 2, bytes: 20 }]);
    expect(events).toEqual([
      "Pruned 2 event logs, 20 bytes: event_days (2021-09-19 to 2021-09-20)",
    ]);
    expect(readdirSync(directory.logs)).toHaveLength(5);
    for (let day = 10; day < 18; day++) writeFileSync(`${directory.eventLog}.2021-08-${day}`, "");
    const { needsForce, pruned } = await round({ event_days: 3 });
    expect([needsForce, pruned]).toEqual([true, []]);
  });

  test("keeps the newest 995 event logs by default, and tells which go", async () => {
    fill();
    const dates = Array.from({ length: 996 }, (_, day) => daysAfter("2021-09-23", -day));
    const [ahead, undated] = ["2021-09-26", "1970-01-01"];
    for (const date of [...dates, ahead, undated])
      writeFileSync(`${directory.eventLog}.${date}`, "0123456789");
    mkdirSync(`${directory.eventLog}.2018-02-01`);
    const copies: Copies = {
      ...ARCHIVE,
      problem: "It is away",
      dates: new Set(),
      has: () => () => false,
      hasLog: () => false,
    };
    expect((await round({}, { copies })).pruned).toEqual([]);
    expect((await round({}, { isRehearsal: true })).pruned).toMatchObject([{ count: 1 }]);
    await round({});
    expect(events).toEqual([`Pruned 1 event log, 10 bytes: event_days (${dates.at(-1)})`]);
    const left = new Set(readdirSync(directory.logs));
    for (const date of [ahead, undated, dates.at(-2)])
      expect(left.has(`imagehub.log.${date}`)).toBe(true);
    expect((await round({})).pruned).toEqual([]);
  });

  test("a damaged archive, and a missing folder of logs, end no round", async () => {
    fill();
    for (const date of ["2021-09-19", "2021-09-20", "2021-09-24"])
      writeFileSync(`${directory.eventLog}.${date}`, "x");
    const copies: Copies = {
      ...ARCHIVE,
      problem: undefined,
      dates: new Set(ALL),
      has: () => () => true,
      hasLog: (date) => {
        if (date === "2021-09-19") throw new Error("The manifest is damaged");
        return true;
      },
    };
    const { pruned, problems, hasFailed } = await round({ days: 2, event_days: 2 }, { copies });
    expect(pruned).toMatchObject([{ reason: "days" }, { reason: "event_days", count: 1 }]);
    expect(hasFailed).toBe(true);
    expect(problems).toEqual(["Cannot delete imagehub.log.2021-09-19: The manifest is damaged"]);
    rmSync(directory.logs, { recursive: true });
    for (const event_days of [995, 2])
      expect(await round({ event_days })).toMatchObject({ pruned: [], problems: [] });
  });

  test("asks a person before most of what may be deleted goes, protected images apart", async () => {
    fill();
    // Three of five days are protected, so only 9,000 bytes may be deleted at all.
    for (const date of ["2021-09-22", "2021-09-23", "2021-09-24"]) {
      mkdirSync(directory.keptFolder(date), { recursive: true });
      for (const name of namesOf(directory, date))
        linkSync(`${directory.dateFolder(date)}/${name}`, `${directory.keptFolder(date)}/${name}`);
    }
    addImage(directory, "2021-09-21", "11:00");
    const { pruned, problems } = await round({ max_bytes: 16_000 });
    expect(pruned).toEqual([]);
    expect(problems[0]).toStartWith("The rules would delete 55 % of all unprotected images at");
    expect((await round({ max_bytes: 17_000 })).pruned).toMatchObject([{ count: 4 }]);
  });

  test("asks a person also if most of what is due is not archived yet", async () => {
    fill();
    for (const day of [10, 11, 12, 13])
      addImage(directory, `2021-09-${day}`, "10:00", "Barn", 4000);
    const copies: Copies = {
      ...ARCHIVE,
      problem: undefined,
      dates: new Set(["2021-09-10"]),
      has: () => () => true,
      hasLog: () => true,
    };
    const byAge = await round({ days: 2 }, { copies });
    expect([byAge.needsForce, byAge.pruned]).toEqual([true, []]);
    const bySize = await round({ max_bytes: 16_000 }, { copies });
    expect([bySize.needsForce, bySize.pruned]).toEqual([true, []]);
    const { pruned } = await round({ days: 2 }, { copies, isForced: true });
    expect(pruned).toMatchObject([{ ranges: [{ from: "2021-09-10", to: "2021-09-10" }] }]);
  });

  test("removes empty folders of days that are over, if there are rules", async () => {
    fill();
    const empty = ["2021-08-01", "2021-08-02", "2021-08-03"];
    for (const date of empty) mkdirSync(directory.dateFolder(date));
    writeFileSync(`${directory.dateFolder("2021-08-02")}/notes.txt`, "not the hub's");
    const seen = { storedLastDay: ["2021-08-03"] };
    await round({});
    await round({ days: 90 }, { seen, isRehearsal: true });
    expect(datesOf(directory)).toEqual([...empty, ...ALL]);
    await round({ days: 90 }, { seen });
    expect(datesOf(directory)).toEqual(["2021-08-02", "2021-08-03", ...ALL]);
    for (const name of namesOf(directory, "2021-09-24"))
      rmSync(`${directory.dateFolder("2021-09-24")}/${name}`);
    await round({ days: 90 });
    expect(datesOf(directory)).toEqual(["2021-08-02", ...ALL]);
  });

  test("tells of a run that was interrupted", async () => {
    fill();
    mkdirSync(directory.own, { recursive: true });
    writeFileSync(
      `${directory.own}/pruning.json`,
      JSON.stringify([{ reason: "days", from: "2021-09-19", to: "2021-09-20" }]),
    );
    await round({});
    expect(events).toEqual([
      "Pruned by a run that was interrupted: days (2021-09-19 to 2021-09-20)",
    ]);
    await round({});
    expect(events).toHaveLength(1);
    expect(existsSync(`${directory.own}/pruning.json`)).toBe(false);
  });

  test("deletes also while the event log takes nothing, and tells it later", async () => {
    fill();
    const { pruned, problems, hasFailed } = await round({ days: 2 }, { appendEvent: takesNothing });
    expect(pruned).toMatchObject([{ count: 4 }]);
    expect(problems).toEqual(["Cannot tell the event log what was deleted: no space left"]);
    expect(hasFailed).toBe(true);
    await round({ days: 1 });
    expect(events).toEqual([
      "Pruned by a run that was interrupted: days (2021-09-21)",
      "Pruned 1 day, 4 images, 4.0 kB: days (2021-09-22)",
    ]);
  });

  test("ends when the data directory is not the one it was, and tells what is gone", async () => {
    fill();
    let calls = 0;
    const check = (): void => {
      // At the note, and at the first day.
      if (calls++ > 1) throw new DataDirectoryGone("another disk");
    };
    const ends = round({ days: 1 }, { check });
    expect(await ends.catch((error: unknown) => String(error))).toContain("another disk");
    expect(events).toEqual(["Pruned 1 day, 4 images, 4.0 kB: days (2021-09-21)"]);
    expect(datesOf(directory)).toEqual(ALL.slice(1));
  });

  test("keeps its note in the directory that it tells of, and out of another one", async () => {
    fill();
    let isGone = false;
    const check = (): void => {
      if (isGone) throw new DataDirectoryGone("another disk");
    };
    const has = (): boolean => {
      if (isGone) return true;
      // As if its disk were unmounted, with a former data directory below.
      renameSync(directory.path, `${directory.path}-away`);
      addImage(dataDirectory(directory.path), "2021-09-22", "10:00");
      isGone = true;
      return true;
    };
    const copies: Copies = {
      ...ARCHIVE,
      problem: undefined,
      dates: new Set(ALL),
      has: () => has,
      hasLog: () => true,
    };
    const keep = { days: 2, max_bytes: 12_000 };
    const ends = round(keep, { check, copies, appendEvent: check });
    try {
      expect(await ends.catch((error: unknown) => String(error))).toContain("another disk");
      expect(readdirSync(directory.path).toSorted()).toEqual(["images", "logs"]);
      const note = readFileSync(`${directory.path}-away/.imagehub/pruning.json`, "utf8");
      expect(note).toBe('[{"reason":"days","from":"2021-09-21","to":"2021-09-21"}]');
    } finally {
      rmSync(directory.path, { recursive: true });
      renameSync(`${directory.path}-away`, directory.path);
    }
  });

  test("tells of no event log if the directory is another one before any is deleted", async () => {
    fill();
    for (const date of ["2021-09-19", "2021-09-20", "2021-09-24"])
      writeFileSync(`${directory.eventLog}.${date}`, "x");
    const ends = round({ event_days: 2 }, { check: refusesLogs });
    expect(await ends.catch((error: unknown) => String(error))).toContain("another disk");
    expect(readdirSync(directory.logs)).toHaveLength(3);
    await round({});
    expect(events).toEqual([]);
  });

  test("changes nothing in a rehearsal", async () => {
    fill();
    const { pruned } = await round({ days: 2 }, { isRehearsal: true });
    expect(pruned).toMatchObject([{ reason: "days", count: 4 }]);
    expect(datesOf(directory)).toEqual(ALL);
    expect(events).toEqual([]);
    expect(readdirSync(temp.path).toSorted()).toEqual(["images", "logs"]);
  });
});
