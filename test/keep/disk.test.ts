/**
 * Rounds on real disks: what they give back, what is damaged, and what cannot be deleted.
 *
 * @module
 */

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { readDays } from "../../src/catalog/catalog.ts";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";
import { type Round, type RoundParts, runRound } from "../../src/keep/round.ts";
import type { DataDirectory } from "../../src/store/data-directory.ts";
import { EXIT } from "../../src/errors.ts";
import { LoopDisk } from "../faults/disk.ts";
import { runCli } from "../support/hub/cli.ts";
import { lacksMount } from "../support/machine/file-system.ts";
import { addImage, dataDirectory, datesOf, namesOf } from "../support/store/days.ts";

setDefaultTimeout(60_000);

const TODAY = "2021-09-25";
const DATES = ["2021-09-15", "2021-09-16", "2021-09-17", "2021-09-18", "2021-09-19", "2021-09-20"];
const SIZE = 64 * 2 ** 20;
const MB = 1e6;

let disk: LoopDisk;
let directory: DataDirectory;

beforeEach(() => {
  disk = new LoopDisk({ bytes: SIZE });
  directory = dataDirectory(`${disk.path}/imagehub_data`);
});

afterEach(() => {
  disk[Symbol.dispose]();
});

async function round(
  keep: Partial<Settings["keep"]>,
  options: Partial<RoundParts> = {},
): Promise<Round> {
  const settings = defaultSettings();
  return await runRound({
    directory,
    settings: { keep: { ...settings.keep, ...keep } },
    check: () => undefined,
    seen: { today: TODAY, confirmed: undefined, storedLastHour: [], storedLastDay: [] },
    isFutile: false,
    storedBytes: () => 0,
    until: { date: TODAY, micros: 0 },
    copies: undefined,
    isForced: false,
    isRehearsal: false,
    shouldStop: () => false,
    appendEvent: () => undefined,
    ...options,
  });
}

/** Makes images in the middle of each hour of each day. */
function fill(images: number, bytes: number): void {
  for (const date of DATES) {
    for (let image = 0; image < images; image++) {
      const [hour, second] = [image % 24, Math.floor(image / 24)].map((part) =>
        String(part).padStart(2, "0"),
      );
      addImage(directory, date, `${hour}:30:${second}`, "Barn", bytes);
    }
  }
}

const paths = (): string[] =>
  DATES.flatMap((date) =>
    namesOf(directory, date).map((name) => `${directory.dateFolder(date)}/${name}`),
  );

const freeBytes = (): number => {
  const { bavail, bsize } = statfsSync(disk.path);
  return bavail * bsize;
};

/** Leaves so much free on the disk. */
function leave(bytes: number): void {
  rmSync(`${disk.path}/other`, { force: true });
  Bun.spawnSync(["fallocate", "-l", String(freeBytes() - bytes), `${disk.path}/other`]);
}

describe.skipIf(lacksMount())("min_free", () => {
  test("deletes little if something else fills the disk in a moment", async () => {
    fill(96, 40_000);
    leave(5 * MB);
    const before = paths().length;
    const { pruned, problems, isHelpless } = await round({ min_free: 6 * MB });
    expect([problems, isHelpless]).toEqual([[], false]);
    expect(freeBytes()).toBeGreaterThan(6 * MB);
    // A megabyte, an hour at a time, and a little more, so that the next round is not due at once.
    expect(freeBytes()).toBeLessThan(6 * MB + SIZE / 20);
    expect(pruned).toMatchObject([{ reason: "min_free", days: 1, ranges: [{ from: DATES[0] }] }]);
    expect(before - paths().length).toBeLessThan(96);
  });

  test("counts what the disk gets back, and not the sizes of the files", async () => {
    fill(48, 1000);
    const grow = 'for path; do fallocate -n -l 131072 "$path"; done';
    Bun.spawnSync(["sh", "-c", grow, "sh", ...paths()]);
    leave(4 * MB);
    await round({ min_free: 6 * MB });
    const gone = 6 * 48 - paths().length;
    expect(gone * 131_072).toBeGreaterThan(2 * MB);
    expect(gone * 131_072).toBeLessThan(5 * MB);
  });

  test.each([
    ["all", 6, ["days"]],
    ["a part", 11, ["days", "min_free"]],
  ] as const)("a rehearsal counts what another rule frees: %s", async (_, wanted, reasons) => {
    fill(48, 1000);
    const grow = 'for path; do fallocate -n -l 131072 "$path"; done';
    Bun.spawnSync(["sh", "-c", grow, "sh", ...paths()]);
    leave(4 * MB);
    // The day that is too old has 6 MB on the disk, and 48 kB by its sizes.
    const keep = { days: 4, min_free: wanted * MB };
    const rehearsed = await round(keep, { isRehearsal: true });
    expect(paths()).toHaveLength(6 * 48);
    const { pruned, problems } = await round(keep);
    expect([rehearsed.pruned, rehearsed.problems]).toEqual([pruned, problems]);
    expect(pruned.map(({ reason }) => reason)).toEqual([...reasons]);
  });

  test("leaves images with other hard links, because that frees nothing", async () => {
    fill(48, 40_000);
    mkdirSync(`${disk.path}/snapshot`);
    for (const [index, path] of paths().entries())
      if (index < 4 * 48) linkSync(path, `${disk.path}/snapshot/${index}`);
    leave(4 * MB);
    const { pruned, isHelpless } = await round({ min_free: 4.5 * MB });
    expect(pruned).toMatchObject([{ ranges: [{ from: DATES[4], to: DATES[4] }] }]);
    expect(isHelpless).toBe(false);
    expect(paths().length).toBeGreaterThan(5 * 48);
    const { problems, isHelpless: isIt } = await round({ min_free: 20 * MB }, { isForced: true });
    expect([isIt, paths().length]).toEqual([true, 5 * 48]);
    expect(problems).toEqual([
      "keep.min_free cannot be kept: 192 images have other hard links, and deleting them frees nothing",
    ]);
  });

  test("gives up soon if the disk gets nothing back, and does not try again at once", async () => {
    fill(96, 40_000);
    leave(4 * MB);
    const held = paths().map((path) => openSync(path, "r"));
    try {
      const { problems, isHelpless, isFutile } = await round({ min_free: 12 * MB });
      expect([isHelpless, isFutile]).toEqual([true, true]);
      expect(problems).toEqual([expect.stringContaining("deleting frees nothing on this disk")]);
      const gone = held.length - paths().length;
      expect(gone).toBeGreaterThan(100);
      expect(gone).toBeLessThan(350);
      const again = await round({ min_free: 12 * MB }, { isFutile: true });
      expect([again.isHelpless, again.isFutile, again.pruned]).toEqual([true, true, []]);
      expect(again.problems).toEqual(problems);
    } finally {
      for (const fd of held) closeSync(fd);
    }
    const { isFutile } = await round({ min_free: 12 * MB }, { isFutile: true });
    expect(isFutile).toBe(false);
  });

  test("does not give up while cameras take at once what is freed", async () => {
    fill(96, 40_000);
    leave(4 * MB);
    let stored = 0;
    // As many bytes as are deleted: the free space stays the same.
    const check = (): void => {
      const { bavail, bsize } = statfsSync(disk.path);
      const bytes = Math.max(0, bavail * bsize - 3 * MB);
      Bun.spawnSync(["fallocate", "-l", String(bytes + 1), `${disk.path}/camera-${stored}`]);
      stored += bytes + 1;
    };
    const { isFutile } = await round({ min_free: 12 * MB }, { check, storedBytes: () => stored });
    expect(isFutile).toBe(false);
    // It has gone on as long as there was something.
    expect(paths().length).toBe(96);
  });

  test("a rehearsal tells the same, and changes nothing", async () => {
    fill(96, 40_000);
    leave(5 * MB);
    const rehearsed = await round({ min_free: 6 * MB }, { isRehearsal: true });
    expect(paths()).toHaveLength(6 * 96);
    expect((await round({ min_free: 6 * MB })).pruned).toEqual(rehearsed.pruned);
  });
});

function lock(date: string, flag: "+i" | "-i"): void {
  Bun.spawnSync(["chattr", flag, directory.dateFolder(date)]);
}

describe.skipIf(lacksMount())("what cannot be deleted", () => {
  test("holds up neither min_free nor max_bytes: the next day goes", async () => {
    fill(24, 40_000);
    leave(4 * MB);
    lock(DATES[0]!, "+i");
    try {
      const { pruned, problems, hasFailed } = await round({ min_free: 4.5 * MB });
      expect(pruned.map(({ ranges: [range] }) => range?.from)).toContain(DATES[1]);
      expect(hasFailed).toBe(true);
      expect(problems).toEqual([
        expect.stringContaining(`Cannot delete 24 images of ${DATES[0]}: `),
      ]);
      expect(freeBytes()).toBeGreaterThan(4.5 * MB);
      const left = paths().length * 40_000;
      const sized = await round({ max_bytes: left - 100_000 });
      expect(sized.pruned).toMatchObject([{ reason: "max_bytes" }]);
      expect(namesOf(directory, DATES[0]!)).toHaveLength(24);
      expect(paths().length * 40_000).toBeLessThanOrEqual(left - 100_000);
    } finally {
      lock(DATES[0]!, "-i");
    }
  });

  test("min_free does not count on what another rule could not delete", async () => {
    fill(24, 40_000);
    leave(4 * MB);
    lock(DATES[0]!, "+i");
    try {
      const { pruned } = await round({ min_free: 4.2 * MB, days: 4 });
      expect(pruned).toMatchObject([{ reason: "min_free", ranges: [{ from: DATES[1] }] }]);
    } finally {
      lock(DATES[0]!, "-i");
    }
  });

  test("says that a rule cannot be kept for it", async () => {
    fill(24, 40_000);
    for (const date of DATES) lock(date, "+i");
    try {
      const { problems } = await round({ max_bytes: 5 * 24 * 40_000 });
      expect(problems[0]).toBe(
        "keep.max_bytes cannot be kept: the rest is protected, too young (keep.min_days is 1), or cannot be deleted",
      );
    } finally {
      for (const date of DATES) lock(date, "-i");
    }
  });
});

describe.skipIf(lacksMount())("a damaged disk", () => {
  test("an image that cannot be looked at is left out, and told", async () => {
    fill(24, 1000);
    const [name] = namesOf(directory, DATES[0]!);
    disk.damage(`${directory.dateFolder(DATES[0]!)}/${name}`);
    const { pruned, problems, holdings } = await round({ days: 4 });
    expect(pruned).toMatchObject([{ reason: "days", count: 23, ranges: [{ from: DATES[0] }] }]);
    expect(problems).toEqual([
      `Cannot look at 1 image of ${DATES[0]}: run imagehub verify ${DATES[0]}`,
      expect.stringMatching(/^Cannot delete 1 image of 2021-09-15: .*EBADMSG/),
    ]);
    expect(holdings.days[0]).toMatchObject({ images: 0, unreadable: 1 });
    expect(readDays(directory, { today: TODAY, keeps: false })[0]).toMatchObject({
      date: DATES[0],
      unreadable: 1,
    });
  });

  test("a day that cannot be read is left out, and told", async () => {
    fill(24, 1000);
    disk.damage(directory.dateFolder(DATES[0]!));
    const { pruned, problems } = await round({ max_bytes: 4.5 * 24 * 1000 });
    expect(pruned).toMatchObject([{ reason: "max_bytes", ranges: [{ from: DATES[1] }] }]);
    expect(problems).toEqual([
      expect.stringMatching(/^Cannot read images of 2021-09-15: .*EBADMSG/),
    ]);
    const days = readDays(directory, { today: TODAY, keeps: false });
    expect(days).toHaveLength(6);
    expect(days[0]).toMatchObject({ images: 0, problem: expect.stringContaining("EBADMSG") });
  });
});

describe.skipIf(lacksMount())("imagehub verify and days", () => {
  test("name what cannot be read, and go on with the other days", async () => {
    fill(2, 1000);
    const [name] = namesOf(directory, DATES[0]!);
    disk.damage(`${directory.dateFolder(DATES[0]!)}/${name}`);
    disk.damage(directory.dateFolder(DATES[1]!));
    const verified = await runCli(["verify"], { home: disk.path });
    expect(verified.status).toBe(EXIT.failure);
    expect(verified.stderr).toContain(`images/${DATES[0]}/${name} cannot be read: `);
    expect(verified.stderr).toContain(`${name}: EBADMSG`);
    expect(verified.stderr).toContain(`${DATES[1]} cannot be verified: `);
    expect(verified.stdout).toContain("5 days, 9 files");
    const listed = await runCli(["days"], { home: disk.path });
    expect(listed.status).toBe(EXIT.ok);
    expect(listed.stdout).toContain("6 days, 9 images");
    expect(listed.stdout).toContain("imagehub verify names them: 1\n");
    expect(listed.stdout).toContain(`${DATES[1]} cannot be read: `);
  });
});

describe.skipIf(lacksMount())("event logs", () => {
  test("one that cannot be looked at is told, and the next one goes", async () => {
    fill(1, 1000);
    for (const day of [10, 11, 12]) writeFileSync(`${directory.eventLog}.2021-09-${day}`, "x");
    disk.damage(`${directory.eventLog}.2021-09-10`);
    const { pruned, problems } = await round({ event_days: 5 });
    expect(pruned).toMatchObject([
      { reason: "event_days", count: 2, ranges: [{ from: "2021-09-11" }] },
    ]);
    expect(problems).toEqual([expect.stringContaining("EBADMSG")]);
    expect(datesOf(directory)).toEqual(DATES);
  });
});
